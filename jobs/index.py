"""Build the sharded IVF-PQ indexes of the embeddings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from uninote.pipelines.index.plan import plan_indexes
from uninote.pipelines.job import run_job
from uninote.pipelines.stages import run_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("index", partial(run_stage, name="index"), __file__, arguments, plan_indexes)


if __name__ == "__main__":
    sys.exit(main())
