"""From the formats of older lakes to the present one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from pyspark.sql.types import StringType

from uninote.lake.generation_record import ITEMS, find_generations
from uninote.lake.paths import Lake
from uninote.lake.record import FORMAT, LakeFormatError, LakeRecord, read_record, write_record
from uninote.lake.schemas import items_table, notes_table
from uninote.pipelines.lake import ledger, tables


def _count_cuts(lake: Lake) -> None:
    """Add the columns that say what a model did not get to see to the items of each generation, null in all rows."""
    for generation in find_generations(lake.root):
        # The type of note_id, which differs between lakes, is not asked for: the column is there.
        tables.add_columns(items_table(StringType()), lake.uri(f"{generation}/{ITEMS}"))


def _describe_images(lake: Lake) -> None:
    """Add captions to the images of notes, null in all rows."""
    uri = lake.uri("notes")
    if tables.has_table(uri):
        tables.add_fields(notes_table(StringType()), uri, "images")


MIGRATIONS: Mapping[int, Callable[[Lake], None]] = {
    1: ledger.upgrade,
    2: ledger.upgrade,
    3: _count_cuts,
    4: _describe_images,
}
"""From a format to the next one: each step looks for what it has to do, so one that was killed is run again."""


def open_lake(root: str, reads_only: bool = False) -> Lake:
    """Return the lake at `root`, brought to the present format if it is there at all.

    Raises LakeFormatError for a lake of a later format, or one whose `lake.json` is damaged; with `reads_only`, for one of an
    older format too, since who has no lease brings no table anywhere.
    """
    lake = Lake(root)
    found = read_record(root)
    format_found = found.format if found is not None else 1
    if found is None and not ledger.exists(lake):
        return lake
    if reads_only:
        _check_present(lake, format_found)
        return lake
    for number in range(format_found, FORMAT):
        MIGRATIONS[number](lake)
    # A ledger that was put back from a backup may be older than the rest of its lake.
    ledger.upgrade(lake)
    if format_found != FORMAT or found is None:
        write_record(lake, LakeRecord(found.lake_id if found is not None else uuid.uuid4().hex, FORMAT))
    return lake


def _check_present(lake: Lake, format_found: int) -> None:
    if format_found != FORMAT or not ledger.is_present(lake):
        raise LakeFormatError(
            f"the lake {lake.root} is of an earlier release (format {format_found}, or a ledger of then), and this job only "
            f"reads it; run jobs/ingest.py or jobs/refresh.py once, which brings it to format {FORMAT} and embeds nothing again"
        )
