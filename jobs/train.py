"""Train a model on the lake's notes, and measure it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from uninote.pipelines.job import run_job
from uninote.pipelines.stages import run_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("train", partial(run_stage, name="train"), __file__, arguments)


if __name__ == "__main__":
    sys.exit(main())
