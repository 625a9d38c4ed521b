"""What changed since the last run: the keys of notes for the driver, and the rows of those for an update's tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.neighbours.cell_rows import make_pick_rows
from udfs.neighbours.cells import vectors_as_bytes
from udfs.table_files import LastCommits, make_change_reader
from uninote.lake.change_feed import MOST_CHANGED
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.changed_items import ChangedVectors, changed_items, changed_vectors
from uninote.pipelines.lake.reading.file_rows import FileRows
from uninote.pipelines.lake.reading.stored_vectors import with_bytes
from uninote.pipelines.neighbours.decision import ChangedNotes, LastRun
from uninote.pipelines.neighbours.output.cell_rows import CellRows
from uninote.pipelines.neighbours.planning.join import Join
from uninote.pipelines.runtime.progress import say


def changed_notes(join: Join, last: LastRun) -> ChangedNotes | None:
    """Return the notes that changed or were deleted since, or became too old for some table.

    Null where the change feed of items does not reach back to the last run, or where these are more than MOST_CHANGED.
    """
    items = join.run.generation.uri("items")
    changed = changed_items(items, join.vectors.kinds, last.inputs["items"], join.versions["items"])
    fresh_days = sorted({one.fresh_days for one in join.attributes if one.fresh_days is not None})
    if changed is None or not fresh_days:
        return None if changed is None else ChangedNotes(changed.keys, changed.keys[~changed.exist])
    aged = _crossed_age(join, fresh_days, datetime.fromtimestamp(last.as_of, UTC))
    if len(aged) > MOST_CHANGED:
        return None
    return ChangedNotes(np.union1d(changed.keys, aged), changed.keys[~changed.exist])


def _crossed_age(join: Join, fresh_days: list[int], before: datetime) -> np.ndarray:
    """Return int64, the keys of notes that were fresh at one of two times and not at the other: `before`, and now.

    At most one more than MOST_CHANGED.
    """
    crossed = F.lit(False)
    for days in fresh_days:
        # `as_of` may also go back: then notes become fresh again.
        first, last = sorted(when - timedelta(days=days) for when in (before, join.run.as_of))
        crossed |= (F.col("updated_at") >= F.lit(first)) & (F.col("updated_at") < F.lit(last))
    notes = tables.read_table(join.run.spark, join.run.lake.uri("notes")).where(crossed)
    items = join.vectors.snapshot.read("items").where("kind = 'note'").select("note_id", "item_key")
    found = items.join(notes.select("note_id"), "note_id", "left_semi").limit(MOST_CHANGED + 1).toArrow()
    return np.asarray(found["item_key"].to_numpy())


@contextmanager
def rows_to_join(join: Join, cells: CellRows, inputs: Mapping[str, int], keys: np.ndarray) -> Iterator[DataFrame]:
    """Yield item_key, note_id and vector, as bytes, of those of `keys`, int64 ascending, that are there.

    `inputs` are the versions of tables that the last run read. New vectors come from the change feed of their table,
    unchanged ones from the rows of cells. Where the feed does not reach back, all come from the table itself, which takes
    longer.
    """
    name = join.vectors.snapshot.vectors_name(join.width)
    changed = changed_vectors(join.vectors, inputs[name], join.versions[name])
    context = join.run.spark.sparkContext
    with ExitStack() as stack:

        def shared(value: Any) -> Broadcast[Any]:
            sent = context.broadcast(value)
            stack.callback(sent.destroy)
            return sent

        if changed is None:
            say(f"neighbours: the change feed of {name} does not reach back; reading the vectors from the table")
            wanted = shared(keys)
            yield join.vectors.rows(join.vector_schema.names, lambda: wanted.value)
            return
        new = np.isin(changed.upserted, keys)
        last = shared((changed.upserted[new], changed.commits[new]))
        unchanged = np.setdiff1d(keys, np.concatenate([changed.upserted, changed.deleted]))
        asked = shared((cells.files, unchanged))
        # Neither source has to read the table of vectors.
        frames = [_from_feed(join, changed, lambda: last.value)] if new.any() else []
        if len(unchanged) or not frames:
            pick = make_pick_rows(lambda: asked.value[0], lambda: asked.value[1], join.width)
            frames.append(cells.scan(pick, with_bytes(join.vector_schema)))
        yield reduce(DataFrame.union, frames)


def _from_feed(join: Join, changed: ChangedVectors, last: LastCommits) -> DataFrame:
    columns = join.vector_schema
    versions = {}
    files = []
    for version, file in changed.files:
        versions[file.path] = version
        files.append(file)
    generation = join.run.model.generation
    read = make_change_reader(columns.names, join.vectors.kinds, generation, versions, last)
    return FileRows(join.run, files, read).scan(vectors_as_bytes, with_bytes(columns))
