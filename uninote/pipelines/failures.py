"""What lies behind an error that reached the driver through Spark, whose own message is a page of two stack traces."""

from __future__ import annotations

import re

OWN_ERROR = re.compile(r"^uninote\.[\w.]*Error: (.+)$", re.MULTILINE)  # as Python prints it in a worker
DISK_FULL = "No space left on device"


def explained(error: Exception) -> str | None:
    """Return the cause in one sentence where it is known: an error of ours in an executor, or a full disk."""
    text = str(error)
    if found := OWN_ERROR.search(text):
        return found[1].rstrip(".")
    if DISK_FULL in text:
        return (
            "the disk is full (of the lake, or of Spark's scratch folders, spark.local.dir). Free some space; a run needs "
            "about twice what it adds"
        )
    return None
