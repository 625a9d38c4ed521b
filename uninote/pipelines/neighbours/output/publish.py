"""From written files to the tables that readers see: one commit each.

Two need all lists first: who is a duplicate of whom, and tables with collapsed duplicates or with hubs ranked lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, LongType, StructField, StructType

from udfs.neighbours.files import PAIRS, PUBLIC, STATE
from udfs.neighbours.lists import LISTS
from udfs.neighbours.publish import Ranking, make_closeness, make_occurrences, make_ranked
from udfs.table_files import make_reader
from uninote.lake.delta_files import MissingFilesError, files_of, present_files, replace_files, was_made_from
from uninote.lake.parquet_files import DataFile, write_file
from uninote.lake.schemas import duplicates_table, neighbours_table
from uninote.neighbours.components import connected
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.stored_vectors import FileRows
from uninote.pipelines.neighbours.cell_rows import publish_cells
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.neighbours.output.files import RECORD_FIELDS, JoinResult, of_kind, scan_and_write


@dataclass(frozen=True)
class Groups:
    """Notes that have duplicates, `keys` int64 ascending, and the least key among those each is linked with."""

    keys: np.ndarray
    groups: np.ndarray


def publish(join: Join, result: JoinResult, made_from: str) -> tuple[dict[str, int], dict[str, int]]:
    """Make every neighbour table, its state, and the groups of duplicates of a result; returns its (counts, versions).

    `made_from` is the fingerprint of settings and inputs; every table is signed with it.
    """
    rules = join.run.config.neighbours.rules
    generation = join.run.generation
    versions = publish_cells(join, result, made_from)
    for name in rules:
        state = join.state(name)
        files = of_kind(result.files, name, STATE)
        versions[state.name] = replace_files(
            generation.uri(state.name), state.schema.json(), files, made_from=made_from
        )
    groups = _publish_duplicates(join, of_kind(result.files, "neighbours", PAIRS), made_from)
    # Readers' tables come after all private ones: what they show can be written again from those.
    for name, rule in rules.items():
        spec = neighbours_table(join.run.note_id, name)
        files = _rank_lists(join, name, groups) if rule.ranks else of_kind(result.files, name, PUBLIC)
        replace_files(generation.uri(spec.name), spec.schema.json(), files, made_from=made_from)
    tables.remove(join.staging_uri)
    return {"duplicates": len(groups.keys)}, versions


def find_damage(join: Join, made_from: str) -> str | None:
    """Return null where every table that a run left is there, complete and `made_from` this, else what is wrong."""
    names = [join.rows_spec.name, duplicates_table(join.run.note_id).name, *join.rules]
    names += [join.state(name).name for name in join.rules]
    for name in names:
        uri = join.run.generation.uri(name)
        if not tables.has_table(uri):
            return f"{name} is gone"
        if not was_made_from(uri, made_from):
            return f"{name} was published by a run that did not finish"
        try:
            present_files(uri)
        except MissingFilesError as error:
            return str(error)
    return None


def _publish_duplicates(join: Join, files: Sequence[DataFile], made_from: str) -> Groups:
    """Link notes that the unconstrained lists hold as duplicates, and write who belongs together."""
    spec = duplicates_table(join.run.note_id)
    uri = join.run.generation.uri(spec.name)
    if not files:
        replace_files(uri, spec.schema.json(), [], made_from=made_from)
        return Groups(np.empty(0, np.int64), np.empty(0, np.int64))
    pairs = pa.concat_tables([pq.read_table(file.path) for file in files])
    keys, group = connected(pairs["item_key"].to_numpy(), pairs["other_key"].to_numpy())
    members = pa.table({"item_key": keys, "group": group}).join(_note_ids(pairs), "item_key")
    # A group is named by its least note_id: keys are ours, and readers do not know them.
    least = members.group_by("group").aggregate([("note_id", "min")]).rename_columns(["group", "group_id"])
    named = members.join(least, "group").select(["note_id", "group_id"]).sort_by("note_id")
    replace_files(uri, spec.schema.json(), [write_file(named, uri)], made_from=made_from)
    return Groups(keys, group)


def _note_ids(pairs: pa.Table) -> pa.Table:
    """Return item_key and note_id of all notes on either side of some pairs, once each."""
    columns = ["item_key", "note_id"]
    others = pairs.select(["other_key", "other_id"]).rename_columns(columns)
    both = pa.concat_tables([pairs.select(columns), others])
    return both.group_by("item_key").aggregate([("note_id", "min")]).rename_columns(columns)


def _rank_lists(join: Join, name: str, groups: Groups) -> list[DataFile]:
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
    written = scan_and_write(join, name, FileRows(join.run, files, make_reader(LISTS)).scan(make, RECORD_FIELDS))
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
    rows = FileRows(run, files_of(uri), make_reader([column])).scan(make_occurrences(column, k), schema)
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
    scores = FileRows(join.run, files, make_reader(["item_key", "scores"]))
    closeness: pa.Table = scores.scan(make, schema).toArrow()
    keys = np.frombuffer(b"".join(closeness["key"].to_pylist()), np.int64)
    values = np.zeros(int(keys.max(initial=-1)) + 1, np.float32)
    values[keys] = np.frombuffer(b"".join(closeness["value"].to_pylist()), np.float32)
    return values
