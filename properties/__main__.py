"""``python -m properties``: certify cells from the shell."""

from __future__ import annotations

import sys

from properties.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
