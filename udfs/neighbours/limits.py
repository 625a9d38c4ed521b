"""What limits stored lists set to new neighbours, from task to task by files: the driver sees none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap
from udfs.neighbours.lists import make_list_limits
from udfs.neighbours.update import ListsBefore
from uninote.lake.parquet_files import read_columns, write_file

LIMIT_FILE = ("path", "short")
"""What a task reports: its file of (item_key, limit), and the keys, int64 as bytes, of lists that became too short."""


def make_limit_files(removed: Callable[[], np.ndarray], k: int, folder: str) -> ArrowMap:
    """Write what `make_list_limits` says of the LISTS of a partition, and yield LIMIT_FILE."""
    of_lists = make_list_limits(removed, k)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys = []
        limits = []
        short = []
        for batch in of_lists(batches):
            found = np.frombuffer(batch.column("item_key")[0].as_py(), np.int64)
            keys.append(found)
            limits.append(np.frombuffer(batch.column("limit")[0].as_py(), np.float32))
            short.append(found[np.frombuffer(batch.column("short")[0].as_py(), np.bool_)])
        if sum(map(len, keys)):
            table = pa.table({"item_key": np.concatenate(keys), "limit": np.concatenate(limits)})
            row = {"path": [write_file(table, folder).path], "short": [np.concatenate(short).tobytes()]}
            yield pa.RecordBatch.from_pydict(row)

    return run


@dataclass(frozen=True)
class StoredLimits:
    """The keys of changed notes, int64 ascending, and by table the `files` that `make_limit_files` wrote."""

    changed: np.ndarray
    files: Mapping[str, tuple[str, ...]]

    def read(self) -> ListsBefore:
        """Return what a task of an update knows of the lists before it."""
        limits = {}
        for name, paths in self.files.items():
            limits[name] = read_limits(paths)
        return ListsBefore(self.changed, limits)


@lru_cache(16)  # of tables: a worker that runs several tasks reads the files once
def read_limits(paths: tuple[str, ...]) -> np.ndarray:
    """Return float32 by item_key, -inf where a key has no list.

    An array by key, not a dictionary: item keys are dense, and tasks look up millions of them.
    """
    tables = [read_columns(path, ["item_key", "limit"]) for path in paths]
    most = max((int(table["item_key"].to_numpy().max()) for table in tables), default=-1)
    limits = np.full(most + 1, -np.inf, np.float32)
    for table in tables:
        limits[table["item_key"].to_numpy()] = table["limit"].to_numpy()
    return limits
