"""What `jobs/codes.py` does: code notes, perhaps all of them again, or by a new codebook; or write pairs of ids and texts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from uninote.codes.codebook import CodebookError
from uninote.pipelines.codes.stage import NEW_CODEBOOK, REBUILD
from uninote.pipelines.codes_export import export_codes
from uninote.pipelines.job import Work
from uninote.pipelines.lake.run import Run
from uninote.pipelines.stages import run_stage


def choose_work(arguments: Sequence[str]) -> tuple[Work, list[str]]:
    """Return the work that some arguments ask for, and the arguments that all jobs have."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    either = parser.add_mutually_exclusive_group()
    for asked in (NEW_CODEBOOK, REBUILD):
        either.add_argument(f"--{asked}", dest="asked", action="store_const", const=asked)
    either.add_argument("--export", metavar="FOLDER")
    chosen, others = parser.parse_known_args(arguments)
    if chosen.export is not None:
        return partial(export_codes, place=chosen.export), others
    return partial(_code, asked=chosen.asked), others


def _code(run: Run, asked: str | None) -> dict[str, Any]:
    summary = run_stage(replace(run, asked=asked), "codes")
    if "refused" in summary:
        raise CodebookError(summary["refused"])
    return summary
