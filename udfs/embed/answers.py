"""What a task of the model answers: a row for each row that it got, or one that says why it embedded nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from udfs.arrow import to_batch, to_nullable
from udfs.embed.window import COSTS, FACTS, Work
from uninote.media.fetching import UNREACHABLE


@dataclass(frozen=True)
class Window:
    """Rows read together. `work_of` holds the position in `works` of each row's content."""

    rows: pa.RecordBatch
    works: Sequence[Work]
    work_of: Sequence[int]


def results(window: Window, device: str, schema: pa.Schema) -> pa.RecordBatch:
    """Return one row for each row of the window, in order.

    What lacks an image for a reason that may pass has no content_hash of its own: it is compared unequal, and tried again.
    """
    columns = dict(zip(window.rows.schema.names, window.rows.columns, strict=True))
    item_ids = columns["item_id"].to_pylist()
    hashes = columns["content_hash"].to_pylist()
    vectors = []
    rejects = []
    for row, position in enumerate(window.work_of):
        work = window.works[position]
        vectors.append(work.vector)
        rejects.append(work.rejects_of(item_ids[row]))
        if work.is_transient:
            hashes[row] = UNREACHABLE
    columns["content_hash"] = pa.array(hashes, pa.string())
    columns["vector"] = to_nullable(vectors)
    columns["rejects"] = pa.array(rejects, schema.field("rejects").type)
    hashed = [window.works[position].hashes for position in window.work_of]
    columns["image_hashes"] = pa.array(hashed, schema.field("image_hashes").type)
    columns["device"] = pa.array([device] * len(hashes), pa.string())
    columns["known_cosine"] = pa.nulls(len(hashes))
    for name in FACTS:
        columns[name] = pa.array(_by_row(window, name))
    # What a content took counts once, in its first row: sums over rows are then what the task took.
    is_first = np.zeros(len(hashes), bool)
    is_first[np.unique(window.work_of, return_index=True)[1]] = True
    for name in COSTS:
        columns[name] = pa.array(np.where(is_first, _by_row(window, name), 0))
    return to_batch(columns, schema)


def _by_row(window: Window, name: str) -> np.ndarray:
    """Return an attribute of each row's work."""
    values = np.array([getattr(work, name) for work in window.works])
    return values[np.asarray(window.work_of, np.intp)]


def moved(device: str, cosine: float, schema: pa.Schema) -> pa.RecordBatch:
    """Return the one row of a device whose vectors are not those that are known: `cosine`, their mean, and no item."""
    said = {name: pa.nulls(1) for name in schema.names}
    return to_batch(said | {"device": pa.array([device]), "known_cosine": pa.array([cosine])}, schema)
