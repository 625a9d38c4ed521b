"""The rows that a night joins, where they lie: workers read them, and the driver holds their keys alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import reduce
from typing import Any

import numpy as np
from pyspark import Broadcast
from pyspark.sql import DataFrame

from udfs.neighbours.cell_rows import make_kept_pick
from udfs.neighbours.cells import vectors_as_bytes
from udfs.table_files import LastCommits, make_change_reader
from uninote.pipelines.lake.changed_items import ChangedVectors, changed_vectors
from uninote.pipelines.lake.stored_vectors import scan_files, with_bytes
from uninote.pipelines.neighbours.cell_rows import KeptRows
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.runtime.progress import say


@contextmanager
def changed_rows(join: Join, kept: KeptRows, inputs: Mapping[str, int], wanted: np.ndarray) -> Iterator[DataFrame]:
    """Yield item_key, note_id and vector, as bytes, of `wanted`, int64 ascending, that are there.

    New vectors come from the feed of their table, those that did not change from the rows kept by cell. Where the feed does
    not tell, all come from the table itself, which takes longer.
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
            say(
                f"neighbours: the change feed of {name} does not reach back; reading the changed vectors from the table"
            )
            keys = shared(wanted)
            yield join.vectors.rows_of(lambda: keys.value)
            return
        mine = np.isin(changed.came, wanted)
        last = shared((changed.came[mine], changed.commits[mine]))
        others = np.setdiff1d(wanted, np.concatenate([changed.came, changed.gone]))
        asked = shared((kept.files, others))
        frames = [_from_feed(join, changed, lambda: last.value)] if mine.any() else []
        if len(others) or not frames:
            pick = make_kept_pick(lambda: asked.value[0], lambda: asked.value[1], join.width)
            frames.append(kept.scan(pick, with_bytes(join.vector_schema)))
        yield reduce(DataFrame.union, frames)


def _from_feed(join: Join, changed: ChangedVectors, last: LastCommits) -> DataFrame:
    columns = join.vector_schema
    versions = {file.path: version for version, file in changed.files}
    generation = join.run.model.generation
    read = make_change_reader(columns.names, join.vectors.kinds, generation, versions, last)
    files = [file for _, file in changed.files]
    return scan_files(join.run, files, read, vectors_as_bytes, with_bytes(columns))
