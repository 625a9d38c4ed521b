"""Whether an error says that a file is damaged: of the driver's own, or as Spark passes a task's on."""

from __future__ import annotations

import re

from uninote.index.files.stored_file import IndexDamagedError
from uninote.lake.parquet_files import DamagedFileError


def damage(error: Exception) -> str | None:
    """Return which file of a table was found damaged, and how, where that is what an error says."""
    return _said(error, DamagedFileError)


def index_damage(error: Exception) -> str | None:
    """Return the same of the files of an index."""
    return _said(error, IndexDamagedError)


def _said(error: Exception, kind: type[Exception]) -> str | None:
    if isinstance(error, kind):
        return str(error)
    # The name as Python prints it in a worker's traceback.
    name = re.escape(f"{kind.__module__}.{kind.__name__}")
    found = re.search(f"^{name}: (.+)$", str(error), re.MULTILINE)
    return found[1].rstrip(".") if found else None
