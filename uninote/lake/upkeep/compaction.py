"""Small files of a table made one: a commit that changes no row, so no reader of a version or of a change feed sees it.

Files are joined by ranges of the column that a table is looked up by, never with a large file between them that none of
them reaches over: what is read by a range afterwards is what was read before. Versions of before keep their files until
retention removes those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from deltalake import DeltaTable

from uninote.lake.commits import CommitConflictError, add_action, commit, remove_action
from uninote.lake.delta_files import has_log
from uninote.lake.parquet_files import DamagedFileError, DataFile, write_file
from uninote.lake.rewriting import StoredFile, bounded_columns, can_apply, read_rows, statistics, stored_files
from uninote.storage.lake_files import relative, remove

_OPERATION = "OPTIMIZE"  # what Delta calls such a commit
_BY = (
    "item_key",
    "note_id",
    "sequence",
    "digest",
    "uri",
    "item_id",
)  # of these, tables are looked up by the first they have
Written = tuple[DataFile, dict[str, Any]]  # a file, and what the log says of it
_GROUP_BYTES = 128 << 20  # of the files that become one: this process holds its rows


@dataclass(frozen=True)
class CompactionRule:
    """When small files are joined: `files` or more of less than `small_bytes` in one range; at once `most_bytes` of a table."""

    files: int
    small_bytes: int
    most_bytes: int


@dataclass(frozen=True)
class Compacted:
    """How many files were joined (`before`) into how many (`after`), and the bytes that were read for it."""

    before: int = 0
    after: int = 0
    bytes: int = 0


def compact(uri: str, rule: CompactionRule, *, dry_run: bool = False) -> Compacted:
    """Join the small files of the table at `uri` where there are enough of them; returns what was joined, or would be.

    Nothing is done where the table is not there, or asks of its writers what this does not do; where another commit came
    between; or where a file is damaged, which whoever needs its rows says. Raises LeaseLostError.
    """
    if not has_log(uri) or not can_apply(uri):
        return Compacted()
    table = DeltaTable(uri)
    schema = pa.schema(table.schema().to_arrow())
    column = next((name for name in _BY if name in schema.names), None)
    groups = [] if column is None else _most(small_ranges(stored_files(table, column), rule), rule)
    size = sum(file.size for group in groups for file in group)
    found = Compacted(sum(map(len, groups)), len(groups), size)
    if not groups or dry_run or column is None:
        return found
    bounded = bounded_columns(table)
    made = []
    try:
        for group in groups:
            rows = pa.concat_tables([read_rows(uri, file.path, schema) for file in group]).sort_by(column)
            written = write_file(rows, uri)
            made.append((written, statistics(rows.select(bounded))))
        _commit(uri, table.version(), groups, made)
    except (CommitConflictError, DamagedFileError):
        for file, _ in made:
            remove(file.path)
        return Compacted()
    return found


def small_ranges(files: Sequence[StoredFile], rule: CompactionRule) -> Iterator[list[StoredFile]]:
    """Yield groups of small files to be joined, each of a range of its own, in the order of ranges."""
    group: list[StoredFile] = []
    reach = None
    for file in sorted(files, key=_place):
        is_small = file.size < rule.small_bytes
        # Joined over a large file that none of them reaches, they would be read wherever that is.
        is_apart = not is_small and None not in (reach, file.low) and reach < file.low
        is_full = is_small and sum(one.size for one in group) + file.size > _GROUP_BYTES
        if is_apart or is_full:
            if len(group) >= rule.files:
                yield group
            group, reach = [], None
        if is_small:
            group.append(file)
            reach = file.high if reach is None or (file.high is not None and file.high > reach) else reach
    if len(group) >= rule.files:
        yield group


def _place(file: StoredFile) -> tuple[bool, Any, str]:
    return file.low is None, file.low if file.low is not None else "", file.path


def _most(groups: Iterator[list[StoredFile]], rule: CompactionRule) -> list[list[StoredFile]]:
    """Return the first groups, as many as are to be joined at once."""
    taken: list[list[StoredFile]] = []
    size = 0
    for group in groups:
        size += sum(file.size for file in group)
        if taken and size > rule.most_bytes:
            break
        taken.append(group)
    return taken


def _commit(uri: str, version: int, groups: Iterable[Iterable[StoredFile]], made: Iterable[Written]) -> None:
    """Commit what was joined. Raises CommitConflictError where the next version was taken meanwhile."""
    actions = []
    for group in groups:
        actions += [remove_action(quote(file.path), file.size, changes_data=False) for file in group]
    for file, stats in made:
        actions.append(add_action(quote(relative(uri, file.path)), file.size, stats, changes_data=False))
    commit(uri, version, actions, _OPERATION)
