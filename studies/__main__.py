"""``python -m studies``: the papers' tasks, their data, and training runs."""

import sys

from studies.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
