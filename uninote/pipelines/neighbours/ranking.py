"""Public tables that take all lists to make: collapsed duplicates, hubs ranked lower, and how hubby a table is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, LongType, StructField, StructType

from udfs.neighbours.lists import LISTS
from udfs.neighbours.ranking import Ranking, make_closeness, make_occurrences, make_ranked
from udfs.table_files import make_reader
from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import DataFile
from uninote.lake.schemas import neighbours_table
from uninote.pipelines.lake.stored_vectors import scan_files
from uninote.pipelines.neighbours.files import RECORD_FIELDS, scan_and_write
from uninote.pipelines.neighbours.join import Join


@dataclass(frozen=True)
class Groups:
    """Notes that have duplicates, `keys` int64 ascending, and the least key among those each is linked with."""

    keys: np.ndarray
    groups: np.ndarray


def rank_lists(join: Join, name: str, groups: Groups) -> list[DataFile]:
    """Write the public table `name` out of its state, collapsed and with hubs ranked lower as its rule says."""
    settings = join.run.config.neighbours
    rule = settings.rules[name]
    folder = join.run.generation.uri(name)
    if rule.duplicates != "collapse":
        groups = Groups(np.empty(0, np.int64), np.empty(0, np.int64))
    closeness = _closeness(join, name) if rule.hubness else np.empty(0, np.float32)
    ranking = Ranking(folder, settings.k, rule.hubness, closeness, groups.keys, groups.groups)
    shared = join.run.spark.sparkContext.broadcast(ranking)
    make = make_ranked(lambda: shared.value)
    files = files_of(join.state_uri(name))
    written = scan_and_write(join, name, scan_files(join.run, files, make_reader(LISTS), make, RECORD_FIELDS))
    shared.destroy()
    return [one.file for one in written]


def hub_skewness(join: Join, name: str, ranked: bool) -> float:
    """Return the skewness of k-occurrences: of how many lists each note is in; of the table, or of its state's first `k`."""
    run = join.run
    k = join.run.config.neighbours.k
    note_id = join.run.note_id
    uri = run.generation.uri(neighbours_table(note_id, name).name) if ranked else join.state_uri(name)
    column = "neighbours" if ranked else "neighbour_ids"
    schema = StructType([StructField("note_id", note_id), StructField("count", LongType())])
    rows = scan_files(run, files_of(uri), make_reader([column]), make_occurrences(column, k), schema)
    counted = rows.groupBy("note_id").agg(F.sum("count").alias("n"))
    # Skewness from sums of powers: Spark adds them up in one pass, and no count has to come to the driver.
    sums = counted.agg(F.sum("n"), F.sum(F.pow("n", 2)), F.sum(F.pow("n", 3))).collect()[0]
    return skewness([power or 0.0 for power in sums], join.rows)


def skewness(powers: list[float], rows: int) -> float:
    """Return the third standardised moment of `rows` numbers whose sums of powers 1, 2 and 3 are given; 0.0 if all equal."""
    first, second, third = (power / max(1, rows) for power in powers)
    variance = second - first**2
    return (third - 3 * first * second + 2 * first**3) / variance**1.5 if variance > 1e-12 else 0.0


def _closeness(join: Join, name: str) -> np.ndarray:
    """Return float32 by item_key: the mean score of each note's own list."""
    schema = StructType([StructField("key", BinaryType()), StructField("value", BinaryType())])
    make = make_closeness(join.run.config.neighbours.k)
    files = files_of(join.state_uri(name))
    closeness: pa.Table = scan_files(join.run, files, make_reader(["item_key", "scores"]), make, schema).toArrow()
    keys = np.frombuffer(b"".join(closeness["key"].to_pylist()), np.int64)
    values = np.zeros(int(keys.max(initial=-1)) + 1, np.float32)
    values[keys] = np.frombuffer(b"".join(closeness["value"].to_pylist()), np.float32)
    return values
