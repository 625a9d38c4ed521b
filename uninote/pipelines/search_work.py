"""What `jobs/search.py` does: answer queries, or make the bank that answers are corrected by."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from uninote.pipelines.index.query_bank import make_bank
from uninote.pipelines.index.search import search
from uninote.pipelines.job import Work


def choose_work(arguments: Sequence[str]) -> tuple[Work, list[str]]:
    """Return the work that some arguments ask for, and the arguments that all jobs have."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--make-bank", action="store_true")
    chosen, others = parser.parse_known_args(arguments)
    return make_bank if chosen.make_bank else search, others
