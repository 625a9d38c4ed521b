"""Samples of stored vectors, and the exact answers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, read_rows, to_array
from uninote.vectors.kmeans import compute_in_one_thread
from uninote.vectors.sampling import are_in_share, first_in_order


def make_sample(count: int, seed: int) -> ArrowMap:
    """Map rows with an item_key to one row a task: how many there are, and a sample of at most `count` of them.

    Its columns: `rows`, and those of the rows, as lists. Samples of several tasks together hold the sample of all.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = 0
        sample = None
        for batch in batches:
            rows += len(batch)
            drawn = batch.take(pa.array(first_in_order(batch.column("item_key").to_numpy(), count, seed)))
            joined = drawn if sample is None else pa.concat_batches([sample, drawn])
            sample = joined.take(pa.array(first_in_order(joined.column("item_key").to_numpy(), count, seed)))
        if sample is not None:
            # One row for the task: its columns are lists of the sample's.
            columns = {"rows": pa.array([rows])}
            for name in sample.schema.names:
                columns[name] = pa.ListArray.from_arrays([0, len(sample)], sample.column(name))
            yield pa.RecordBatch.from_pydict(columns)

    return run


def make_share(share: float, seed: int, inner: ArrowMap) -> ArrowMap:
    """Map rows with an item_key to what `inner` makes of those in the first `share` of the order of `seed`.

    It finds large samples: no task has to hold one, and no more than about the share leaves the tasks.
    """

    def drawn(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch.filter(pa.array(are_in_share(batch.column("item_key").to_numpy(), share, seed)))

    return lambda batches: inner(drawn(batches))


def make_exact(queries: Callable[[], tuple[np.ndarray, np.ndarray]], k: int) -> ArrowMap:
    """Map (item_key, vector) rows to each query's best k among them. `queries` returns their (keys, vectors)."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Imported where it runs: a driver that only plans then starts without numba, in 0.4 s less.
        from uninote.neighbours.truth import exact_topk

        compute_in_one_thread()
        keys, vectors = queries()
        corpus = (read_rows([batch]) for batch in batches if len(batch))
        found, scores = exact_topk(vectors, corpus, k, exclude=keys)
        columns = [pa.array(keys), to_array(found), to_array(scores)]
        yield pa.RecordBatch.from_arrays(columns, names=["item_key", "neighbour_keys", "scores"])

    return run
