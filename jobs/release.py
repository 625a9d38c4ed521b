"""Let readers see what the stages left if it passes its gates; remove what nobody needs, and erase what was taken down."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from uninote.pipelines.job import run_job
from uninote.pipelines.stages import release_and_clean_up


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("release", release_and_clean_up, __file__, arguments)


if __name__ == "__main__":
    sys.exit(main())
