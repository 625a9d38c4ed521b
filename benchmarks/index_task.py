"""The memory of a process that builds one shard, as an executor's task does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
from index_parts import batches, has_vectors

from uninote.index.files.folder import IndexFolder
from uninote.index.planning.plan import IndexPlan
from uninote.index.shard_builder import ShardBuilder
from uninote.index.template.template import load_template


def task_memory(vectors: np.ndarray, folder: Path, template: str, plan: IndexPlan, scratch: Path) -> float:
    """Return the peak MiB of a process that builds the first shard from Arrow batches."""
    path = scratch / "vectors.arrow"
    kind = pa.list_(pa.float32(), vectors.shape[1])
    with pa.ipc.new_file(str(path), pa.schema([("vector", kind)])) as writer:
        for _, part in batches(vectors):
            column = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), vectors.shape[1])
            writer.write_batch(pa.RecordBatch.from_arrays([column], ["vector"]))
    arguments = [str(path), str(folder), template, str(plan.num_shards)]
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


def task(path: str, folder: str, template: str, num_shards: str) -> None:
    """Build shard 0 of the rows in an Arrow file, as an executor's process does, and print its peak memory in MiB."""
    faiss.omp_set_num_threads(1)
    trained = load_template(IndexFolder(folder), template)
    cell_shard = trained.pack(int(num_shards))
    builder = ShardBuilder(trained, 0, np.flatnonzero(cell_shard == 0), has_vectors(trained))
    key = 0
    with open(path, "rb") as file:  # streamed, not mapped: mapped pages would count as resident
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            part = reader.get_batch(number).column("vector").flatten().to_numpy().reshape(-1, trained.width)
            lists = trained.assign(trained.rotate(part))
            mine = np.flatnonzero(cell_shard[trained.list_cell[lists]] == 0)
            rows, _ = next(batches(part, key))
            builder.add(rows.take(pa.array(mine)), part[mine], lists[mine])
            key += len(part)
    builder.finish(IndexFolder(f"{folder}/task"), "shard-00000")
    print(peak_mib())


def peak_mib() -> float:
    """Return the peak memory of this process. That of getrusage may be its parent's: it goes on through fork and exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not say how much memory a process took")


if __name__ == "__main__":
    task(*sys.argv[1:])
