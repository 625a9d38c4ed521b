"""Where a lake's notes come from: what its notes table says, and what the configuration makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from uninote.config.sections.base import AUTO, DEMO
from uninote.config.sections.sources import IngestConfig
from uninote.config.settings import Config
from uninote.lake.delta_files import DeltaFilesError, files_of, set_property
from uninote.lake.paths import Lake
from uninote.notes.ingest.known_columns import KnownColumns
from uninote.pipelines.lake import tables

SOURCE = "uninote.source"  # property of the notes table: DEMO, or the place of the last source
READING = "uninote.reading"  # likewise: JSON of the settings it was read with, where they are not the defaults
COLUMNS = "uninote.source-columns"  # likewise: JSON of the columns that gave the notes, of sources with a schema
_READING = ("columns", "encoding")
_DEMO_FOLDER = re.compile(r"corpus-\d+-\d+(-\d+)?")  # of lakes of format 1, or of one of its files that somebody names
_NOTES = "notes"


def known_source(lake: Lake) -> str | None:
    """Return where the lake's notes come from, "" if nobody said so; null where it has no notes."""
    uri = lake.uri(_NOTES)
    return (tables.table_property(uri, SOURCE) or "") if tables.has_table(uri) and _has_rows(uri) else None


def _has_rows(uri: str) -> bool:
    try:
        return any(file.rows for file in files_of(uri))
    except DeltaFilesError:
        # A table with deletion vectors has files, and is another program's.
        return True


def is_demo(source: str) -> bool:
    """Say whether a source, as a lake names it, is the demo corpus."""
    return source == DEMO or any(map(_DEMO_FOLDER.fullmatch, Path(source).parts))


def ingest_settings(config: Config) -> IngestConfig:
    """Return the settings of the source. Of auto: the lake's own, read as before; the demo's where it has no notes.

    `source` is "" where the lake's notes were written by another program.
    """
    if config.ingest.source != AUTO:
        return config.ingest
    lake = Lake(config.lake)
    known = known_source(lake)
    if known is None or is_demo(known):
        return config.ingest.model_copy(update={"source": DEMO})
    update = {"source": known}
    before = json.loads(tables.table_property(lake.uri(_NOTES), READING) or "{}")
    for name in _READING:
        # What the configuration says itself wins over how the notes were read before.
        if name in before and name not in config.ingest.model_fields_set:
            update[name] = before[name]
    return config.ingest.model_copy(update=update)


def remember_source(uri: str, source: str, settings: IngestConfig) -> None:
    """Store with the notes table at `uri` where its notes come from and how they were read."""
    set_property(uri, SOURCE, source)
    read = settings.model_dump(mode="json", include={*_READING}, exclude_defaults=True)
    set_property(uri, READING, json.dumps(read, sort_keys=True) if read else "")


def known_columns(lake: Lake) -> KnownColumns | None:
    """Return which columns gave the lake's notes, null where it has none, or nobody said so."""
    uri = lake.uri(_NOTES)
    text = tables.table_property(uri, COLUMNS) if tables.has_table(uri) and _has_rows(uri) else None
    return KnownColumns.of(text) if text else None


def remember_columns(uri: str, columns: KnownColumns | None) -> None:
    """Store with the notes table at `uri` which columns gave its notes; null leaves what it knows."""
    if columns is not None:
        set_property(uri, COLUMNS, columns.text())
