"""Where in the image dynamics originate."""
