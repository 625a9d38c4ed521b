"""From written files to the tables that readers see: one commit each, and who is a duplicate of whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from udfs.neighbours.files import PAIRS, PUBLIC, STATE
from uninote.lake.delta_files import MissingFilesError, present_files, replace_files, was_made_from
from uninote.lake.parquet_files import DataFile, write_file
from uninote.lake.schemas import duplicates_table, neighbours_table
from uninote.neighbours.components import connected
from uninote.pipelines.lake import tables
from uninote.pipelines.neighbours.cell_rows import publish_cells
from uninote.pipelines.neighbours.files import JoinResult, of_kind
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.neighbours.ranking import Groups, rank_lists


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
        files = rank_lists(join, name, groups) if rule.ranks else of_kind(result.files, name, PUBLIC)
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
