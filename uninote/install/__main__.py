"""The entry point of `python -m uninote.install`."""

import sys

from uninote.install.command import main

if __name__ == "__main__":
    sys.exit(main())
