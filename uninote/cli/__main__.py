"""The entry point of `python -m uninote.cli`, which is `uninote` too."""

import sys

from uninote.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
