"""Measure the configured model: ten strategies at every width."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from uninote.pipelines.job import run_job
from uninote.pipelines.stages import run_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("evaluate", partial(run_stage, name="evaluate"), __file__, arguments)


if __name__ == "__main__":
    sys.exit(main())
