"""From written files to the tables that readers see: one commit each.

Two need all lists first: who is a duplicate of whom, and tables with collapsed duplicates or with hubs ranked lower.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from udfs.neighbours.files import PAIRS, PUBLIC, STATE, Shown
from udfs.neighbours.lists import LISTS
from udfs.neighbours.publish import Ranking, make_closeness, make_occurrences, make_ranked
from udfs.table_files import make_reader
from uninote.lake.delta_files import MissingFilesError, files_of, present_files, replace_files, was_made_from
from uninote.lake.parquet_files import DataFile
from uninote.lake.schemas import duplicates_table, neighbours_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.file_rows import FileRows
from uninote.pipelines.neighbours.output.cell_rows import publish_cells
from uninote.pipelines.neighbours.output.duplicates import is_of_earlier_release, publish_duplicates
from uninote.pipelines.neighbours.output.files import RECORD_FIELDS, JoinResult, of_kind, scan_and_write
from uninote.pipelines.neighbours.planning.join import Join


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
    duplicates, groups = publish_duplicates(join, of_kind(result.files, "neighbours", PAIRS), made_from)
    # Readers' tables come after all private ones: what they show can be written again from those.
    for name, rule in rules.items():
        spec = neighbours_table(join.run.note_id, name)
        if rule.ranks or name in join.maps:
            files = _rank_lists(join, name, groups, result.background)
        else:
            files = of_kind(result.files, name, PUBLIC)
        replace_files(generation.uri(spec.name), spec.schema.json(), files, made_from=made_from)
    tables.remove(join.staging_uri)
    return {"duplicates": duplicates}, versions


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
    if is_of_earlier_release(join):
        return "duplicates has the groups of an earlier release, which chains of notes made as large as they would"
    return None


def _rank_lists(join: Join, name: str, groups: Sequence[str], background: np.ndarray) -> list[DataFile]:
    """Write the public table `name` out of its state, collapsed, with hubs ranked lower and with confidences, as it asks.

    `groups` are the files of the groups of duplicates, `background` the keys of the notes that backgrounds are made of.
    """
    settings = join.run.config.neighbours
    rule = settings.rules[name]
    folder = join.run.generation.uri(name)
    stored = join.maps.get(name)
    closeness = _closeness(join, name) if rule.hubness or stored is not None else ()
    collapsed = tuple(groups) if rule.duplicates == "collapse" else ()
    least = (settings.min_strength_of(name), settings.min_confidence_of(name), settings.min_best_confidence_of(name))
    shown = Shown(settings.k, *least)
    confidence = None if stored is None else stored.found
    ranking = Ranking(
        folder, shown, rule.hubness, background, closeness, collapsed, confidence, join.diversities.get(name)
    )
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


def _closeness(join: Join, name: str) -> tuple[str, ...]:
    """Have tasks write the mean score of each note's own list; returns their files."""
    make = make_closeness(join.run.config.neighbours.k, f"{join.staging_uri}/closeness")
    lists = FileRows(join.run, files_of(join.state_uri(name)), make_reader(["item_key", "scores"]))
    written = scan_and_write(join, name, lists.scan(make, RECORD_FIELDS))
    return tuple(one.file.path for one in written)
