"""Embed every note whose content changed, at every width."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from uninote.pipelines.embed.preview import preview
from uninote.pipelines.job import Preview, run_job
from uninote.pipelines.stages import run_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("embed", partial(run_stage, name="embed"), __file__, arguments, Preview(preview))


if __name__ == "__main__":
    sys.exit(main())
