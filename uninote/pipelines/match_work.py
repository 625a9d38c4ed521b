"""What `jobs/match.py` does: match, fit thresholds, or answer what other thresholds would have found."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

from uninote.pipelines.job import Work
from uninote.pipelines.lake.run import Run
from uninote.pipelines.matching.calibrate import calibrate
from uninote.pipelines.matching.scores import what_if
from uninote.pipelines.stages import run_stage


def choose_work(arguments: Sequence[str]) -> tuple[Work, list[str]]:
    """Return the work that some arguments ask for, and the arguments that all jobs have."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--what-if", type=_threshold)
    parser.add_argument("--calibrate", action="store_true")
    chosen, others = parser.parse_known_args(arguments)
    if chosen.what_if is not None:
        return partial(_answer, asked=chosen.what_if), others
    if chosen.calibrate:
        return calibrate, others
    return lambda run: run_stage(run, "match"), others


def _threshold(text: str) -> tuple[str, float]:
    category, _, threshold = text.rpartition("=")
    try:
        return category, float(threshold)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be CATEGORY=THRESHOLD, such as scam=0.85") from error


def _answer(run: Run, asked: tuple[str, float]) -> dict[str, Any]:
    return what_if(run, *asked)
