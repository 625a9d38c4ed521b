"""The process that Python workers are forked from: it imports what all of them need, once, before the first of them.

A worker that imports pandas, Arrow and pyspark for itself takes 0.6 CPU-seconds, with numba and the neighbour tasks 1.5. A
session on two cores starts four workers or more, since a task that maps the rows of another map has a worker for either.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress

from pyspark.daemon import manager

MODULES = "UNINOTE_PRELOAD"
"""The variable that names the modules, separated by commas."""

EACH = ("pandas", "pyarrow.compute", "pyarrow.parquet", "pyspark.worker")
"""What every worker imports."""

NEIGHBOURS = "udfs.neighbours.preloaded"


def preload(modules: Sequence[str]) -> None:
    """Import `modules`. One that fails is left to the worker that needs it, which says what is wrong."""
    # Spark reads the daemon's port from stdout, and takes whatever a module prints for it.
    with redirect_stdout(sys.stderr):
        for module in modules:
            with suppress(Exception):
                importlib.import_module(module)


if __name__ == "__main__":
    preload(os.environ.get(MODULES, "").split(","))
    # A collection writes to every object that it looks at, and workers would have copies of pages that they share.
    gc.freeze()
    manager()
