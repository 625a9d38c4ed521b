"""The whole of it: ingest, embed, index, neighbours, release and report, skipping what did not change."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from uninote.pipelines.job import Preview, run_job
from uninote.pipelines.preview import preview
from uninote.pipelines.stages import refresh


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("refresh", refresh, __file__, arguments, Preview(preview))


if __name__ == "__main__":
    sys.exit(main())
