"""Chains of near-duplicates, found in one task that holds their pairs and no note."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from uninote.neighbours.components import connected


def chains(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map pairs of notes, (one, other) int64, all in one task, to (node, label): the least note of each one's chain."""
    first = [np.empty(0, np.int64)]
    second = [np.empty(0, np.int64)]
    for batch in batches:
        first.append(batch.column("one").to_numpy())
        second.append(batch.column("other").to_numpy())
    nodes, labels = connected(np.concatenate(first), np.concatenate(second))
    yield pa.RecordBatch.from_pydict({"node": nodes, "label": labels})
