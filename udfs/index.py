"""Building index shards inside executors: rows to shards, then one FAISS file and one key file a shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow_vectors import to_matrix
from udfs.notes import ArrowMap
