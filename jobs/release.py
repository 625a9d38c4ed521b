"""Judge what the stages left, let readers see it if it passes its gates, and remove what nobody needs any more."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from uninote.pipelines.job import run_job
from uninote.pipelines.stages import release_and_retain


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("release", release_and_retain, __file__, arguments)


if __name__ == "__main__":
    sys.exit(main())
