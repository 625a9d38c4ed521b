"""A training set's tables on this machine's disk as Arrow files: one copy a host, mapped by all processes that read the set.

A copy takes as many bytes as the images' files and the tables without compression. It stays until another set is opened on
this host while no process reads it: beside the sets that are being read there is at most one copy.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from uninote.digests import digest
from uninote.storage.host_copies import drop, once_per_host
from uninote.storage.private_folders import own_folder
from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.schemas import TABLES

_PREFIX = "training-set-"
# Rows that are in memory at once; images are large.
_BATCH_ROWS = {"images": 64}
_ROWS = 1 << 14


class HostCopy:
    """The tables of the set at `folder`, mapped."""

    def __init__(self, folder: Path) -> None:
        """Copy them unless this host has them. Raises TrainingSetError for a part that is not of its table's schema."""
        parts = {name: sorted((folder / name).glob("*.parquet")) for name in TABLES}
        state = [(str(path), *_state(path)) for paths in parts.values() for path in paths]
        name = f"{_PREFIX}{digest(str(folder.resolve()), state)}"
        # Held as long as this process has the copy: who finds the lock free deletes it.
        self._used = _in_use(own_folder() / f"{name}.used")
        _drop_unused(name)
        self._folder = once_per_host(name, lambda scratch: _fill(scratch, parts), name)

    def table(self, name: str) -> pa.Table:
        """Return a table, in the order of its parts."""
        return pa.ipc.open_file(pa.memory_map(str(self._folder / f"{name}.arrow"))).read_all()

    def array(self, name: str) -> np.ndarray:
        """Return one of the arrays beside the tables: `digests` of the images, ascending, and their `rows`."""
        return np.asarray(np.load(self._folder / f"{name}.npy", mmap_mode="r"))


def _state(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file does."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _in_use(path: Path) -> IO[str]:
    """Return the file, made and locked with others that use what it stands for."""
    while True:
        lock = path.open("a")
        fcntl.flock(lock, fcntl.LOCK_SH)
        # Between the two calls another process may have deleted the file: then nobody would see the lock.
        if path.exists() and path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
            return lock
        lock.close()


def _drop_unused(own: str) -> None:
    """Delete the copies of other sets that no process reads."""
    for path in own_folder().glob(f"{_PREFIX}*.used"):
        if path.stem == own:
            continue
        with suppress(BlockingIOError, FileNotFoundError), path.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            drop(path.stem)
            path.unlink()


def _fill(folder: Path, parts: Mapping[str, Sequence[Path]]) -> None:
    for name, paths in parts.items():
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, TABLES[name]) as writer:
            for path in paths:
                for batch in parquet.ParquetFile(path).iter_batches(_BATCH_ROWS.get(name, _ROWS)):
                    writer.write_batch(_conformed(batch, TABLES[name], path))
    images = pa.ipc.open_file(pa.memory_map(str(folder / "images.arrow"))).read_all()
    digests = np.array(images["digest"].to_numpy(), dtype=np.bytes_)
    order = np.argsort(digests, kind="stable")
    np.save(folder / "digests.npy", digests[order])
    np.save(folder / "rows.npy", order)


def _conformed(batch: pa.RecordBatch, schema: pa.Schema, part: Path) -> pa.RecordBatch:
    missing = [name for name in schema.names if name not in batch.schema.names]
    if missing:
        raise TrainingSetError(f"{part}: columns {missing} are missing; it has {batch.schema.names}")
    try:
        return batch.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        expected = ", ".join(f"{field.name} {field.type}" for field in schema)
        raise TrainingSetError(f"{part}: a column is of another type: {error}; expected {expected}") from error
