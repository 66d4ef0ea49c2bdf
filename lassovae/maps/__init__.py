"""Where in the image dynamics originate."""

from lassovae.maps._contribution import contribution_map, visual_gain

__all__ = ["contribution_map", "visual_gain"]
