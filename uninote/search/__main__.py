"""The entry point of `python -m uninote.search`."""

import sys

from uninote.search.command import main

if __name__ == "__main__":
    sys.exit(main())
