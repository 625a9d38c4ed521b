"""What differs between two releases: notes that came and went, and lists that changed."""

from __future__ import annotations

from typing import Any

from uninote.lake.delta_files import rows_in_log
from uninote.lake.releases.record import Release
from uninote.lake.reserved import is_reserved
from uninote.neighbours.list_changes import TableVersion, compare
from uninote.storage.lake_files import join

_LISTS = "neighbours"


def differences(lake: str, old: Release, new: Release) -> dict[str, Any]:
    """Return, by table, rows in both releases, and of tables of lists how many came, went, changed and stayed.

    Tables of lists are read from one end to the other, by ranges of note_id; of the others the log tells the rows.
    """
    found: dict[str, Any] = {}
    for name in sorted({*_names(old), *_names(new)}):
        before, after = _version(lake, old, name), _version(lake, new, name)
        if before == after:
            continue
        counts = {"rows before": _rows(before), "rows now": _rows(after)}
        if name == _LISTS or not is_reserved(name):
            counts |= _changes(before, after)
        found[name] = counts
    return {"old": old.id, "new": new.id, "generations": [old.generation, new.generation], "tables": found}


def _names(release: Release) -> list[str]:
    return list(map(release.name_of, release.tables))


def _version(lake: str, release: Release, name: str) -> TableVersion | None:
    if name not in _names(release):
        return None
    path = release.path(name)
    return TableVersion(join(lake, path), release.tables[path])


def _rows(version: TableVersion | None) -> int:
    return 0 if version is None else rows_in_log(version.uri, version.version) or 0


def _changes(before: TableVersion | None, after: TableVersion | None) -> dict[str, int]:
    changed = gone = same = 0
    for found in compare(before, after):
        changed += len(found.changed)
        gone += len(found.gone)
        same += found.unchanged
    return {"lists new or changed": changed, "lists gone": gone, "lists as they were": same}
