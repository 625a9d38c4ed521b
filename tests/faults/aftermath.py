"""What else may happen to a lake before the command is run again."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

FLIPPED_BYTES = 16


def befall(what: str, lake: Path, dice: random.Random, must_find: bool) -> None:
    """Do to the lake what the words say: "vacuum", "flip <glob>", "delete <glob>", "history ahead".

    A killed job may not have come to what is to be damaged; else, with `must_find`, AssertionError is raised.
    """
    verb, _, pattern = what.partition(" ")
    if verb == "vacuum":
        vacuum(lake)
    elif verb == "history":
        shift_ledger(lake)
    else:
        found = files(lake, pattern)
        assert found or not must_find, f"nothing to damage at {pattern}"
        if found:
            path = dice.choice(found)
            flip(path, dice) if verb == "flip" else remove(path)


def vacuum(lake: Path) -> None:
    """Delete every file that the newest version of its table does not need, those of change feeds too."""
    for path in tables_of(lake):
        table = DeltaTable(str(path))
        table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)


def tables_of(lake: Path) -> Iterator[Path]:
    """Yield every table that has a first version."""
    for log in lake.rglob("_delta_log"):
        if any(log.glob("*.json")):
            yield log.parent


def files(lake: Path, pattern: str) -> list[Path]:
    """Return what a pattern below the lake finds that is in use; a leading */ stands for the generation."""
    live = {uri for table in tables_of(lake) for uri in DeltaTable(str(table)).file_uris()}
    found = sorted(lake.glob(pattern))
    # Of the manifests of an index only the last by name is read.
    manifests = {path.parent: path for path in found if path.name.startswith("manifest-")}
    found = [path for path in found if manifests.get(path.parent, path) == path]
    return [path for path in found if path.suffix != ".parquet" or str(path) in live or _is_loose(path, lake)]


def _is_loose(path: Path, lake: Path) -> bool:
    """Say whether a file belongs to no table."""
    return bool({"index", "staging"} & {*path.relative_to(lake).parts})


def flip(path: Path, dice: random.Random) -> None:
    """Invert some bytes in the middle of a file."""
    content = bytearray(path.read_bytes())
    start = dice.randrange(len(content) - FLIPPED_BYTES)
    for place in range(start, start + FLIPPED_BYTES):
        content[place] ^= 0xFF
    path.write_bytes(content)


def remove(path: Path) -> None:
    """Delete a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def shift_ledger(lake: Path) -> None:
    """Make the ledger what a host whose clock was an hour ahead would have written, commit by commit."""
    table = DeltaTable(str(lake / "runs"))
    shifted = lake / "shifted"
    known: set[str] = set()
    for version in range(table.version() + 1):
        table.load_as_version(version)
        fresh = [uri for uri in table.file_uris() if uri not in known]
        known.update(fresh)
        if fresh:
            rows = pa.concat_tables([_read(Path(uri)) for uri in fresh])
            write_deltalake(str(shifted), _an_hour_later(rows), mode="append", configuration=_properties(table))
    shutil.rmtree(lake / "runs")
    shifted.rename(lake / "runs")


def _properties(table: DeltaTable) -> dict[str, str | None]:
    return dict(table.metadata().configuration)


def _read(path: Path) -> pa.Table:
    return pq.read_table(path)


def _an_hour_later(rows: pa.Table) -> pa.Table:
    column = rows.schema.get_field_index("started_at")
    hour = pa.scalar(3600, pa.duration("s"))
    return rows.set_column(
        column, rows.schema.field(column), pc.add(rows["started_at"], hour).cast(rows.schema.field(column).type)
    )
