"""Samples that depend on keys and a seed, never on the order or the number of partitions."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.arrow import read_rows

RANGE = 1 << 30
MARGIN = 1.5  # how many more rows than wanted pass the first, cheap cut


def sample_vectors(vectors: DataFrame, total: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (item_keys int64, vectors float32) of at most `rows` of the `total` rows, in key order."""
    chance = F.pmod(F.xxhash64(F.col("item_key"), F.lit(seed)), F.lit(RANGE))
    # A cut by hash before the sort: sorting a billion vectors to take a thousand would cost more than all else.
    passing = vectors if total <= 2 * rows else vectors.where(chance < int(RANGE * MARGIN * rows / total))
    return collect_vectors(passing.orderBy(chance, "item_key").limit(rows))


def collect_vectors(vectors: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Bring (item_key, vector) rows to the driver, in key order."""
    keys, matrix = read_rows(vectors.select("item_key", "vector").toArrow().to_batches())
    order = np.argsort(keys)
    return keys[order], matrix[order]
