"""A table's log without its past: versions that nobody needs go, with all that their commits say of rows."""

from __future__ import annotations

import json
from collections.abc import Collection

from deltalake import DeltaTable

from uninote.storage import lake_files
from uninote.storage.lake_files import join

_LOG = "_delta_log"
_DIGITS = 20


def forget_versions(uri: str, keep: Collection[int]) -> int:
    """Let the log of the table at `uri` know its newest version and those to `keep`, and no other; returns how many files went.

    Each of these is summed up in a checkpoint of its own, which has the statistics of its own files alone. Readers of a change
    feed that have not come up to the newest version find that it does not reach back.
    """
    newest = int(DeltaTable(uri, without_files=True).version())
    kept = sorted({newest, *keep})
    for version in kept:
        # The newest comes last: the log's pointer then names its checkpoint.
        DeltaTable(uri, version=version).create_checkpoint()
    log = join(uri, _LOG)
    removed = 0
    for name in lake_files.names_in(log):
        digits, _, rest = name.partition(".")
        if len(digits) != _DIGITS or not digits.isdecimal():
            continue
        if int(digits) not in kept or rest not in ("json", "checkpoint.parquet"):
            lake_files.remove(join(log, name))
            removed += 1
        elif rest == "json":
            lake_files.write(join(log, name), _without_past(lake_files.read(join(log, name))))
    return removed


def _without_past(commit: bytes) -> bytes:
    """Return a commit without its change files, and without what it says of rows in files that it takes away."""
    lines = []
    for line in commit.splitlines():
        action = json.loads(line)
        if "cdc" in action:
            continue
        if "remove" in action:
            action["remove"].pop("stats", None)
        lines.append(json.dumps(action, separators=(",", ":")))
    return ("\n".join(lines) + "\n").encode()
