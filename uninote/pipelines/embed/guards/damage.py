"""Stored vectors that are damaged leave their tables, on request, so that the run embeds their notes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql.types import BinaryType, StringType

from udfs.embed.check import FOUND, make_vector_check
from uninote.lake.delta_files import drop_files, files_of
from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import embeddings_table, struct_of
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say, watched

_KINDS = (StringType(), StringType(), BinaryType())
_SCHEMA = struct_of(**dict(zip(FOUND, _KINDS, strict=True)))


@dataclass(frozen=True)
class Damage:
    """What is wrong with the vectors of one width: `paths` of files that cannot be read, the `keys` of bad vectors."""

    paths: Sequence[str]
    keys: np.ndarray


def drop_damaged(run: Run, widths: Sequence[int]) -> bool:
    """Take damaged vectors out of the tables of these widths; say whether there were any.

    A file that cannot be read leaves its table whole, and stays on the disk.
    """
    has_dropped = False
    for width in widths:
        # Every width is looked at, whatever was found in the ones before it.
        if tables.has_table(run.generation.uri(embeddings_name(width))) and _drop(run, width):
            has_dropped = True
    return has_dropped


def _drop(run: Run, width: int) -> bool:
    name = embeddings_name(width)
    uri = run.generation.uri(name)
    damage = _find(run, name, width)
    if damage.paths:
        drop_files(uri, damage.paths)
    if len(damage.keys):
        keys = run.spark.createDataFrame(pa.table({"item_key": damage.keys}))
        tables.delete_keys(keys, embeddings_table(run.note_id, name), uri)
    say(
        f"embed: {name}: {len(damage.paths):,} file(s) cannot be read, {len(damage.keys):,} vectors are not of this width and "
        "unit length; notes that lack their vectors are embedded again"
    )
    return bool(damage.paths or len(damage.keys))


def _find(run: Run, name: str, width: int) -> Damage:
    files = files_of(run.generation.uri(name))
    numbers = run.spark.range(0, len(files), 1, max(1, len(files)))
    with watched(run.spark.sparkContext, f"embed: {name}: files checked", len(files)):
        found = numbers.mapInArrow(make_vector_check([file.path for file in files], width), _SCHEMA).collect()
    paths = []
    keys = [np.empty(0, np.int64)]
    for row in found:
        keys.append(np.frombuffer(row["keys"], np.int64))
        if row["damage"]:
            paths.append(row["path"])
    return Damage(paths, np.unique(np.concatenate(keys)))
