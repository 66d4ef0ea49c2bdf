"""`python -m lassovae`, the same as the command `lassovae`."""

import sys

from lassovae._cli import main

if __name__ == "__main__":
    sys.exit(main())
