"""``python -m ablations``: published ablations as resumable studies."""

import sys

from ablations.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
