"""From written files to the tables that readers see: one commit each, and who is a duplicate of whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from udfs.neighbour_files import PAIRS, PUBLIC, STATE
from uninote.delta_files import replace_files
from uninote.neighbours.components import connected
from uninote.parquet_files import DataFile, write_file
from uninote.pipelines import tables
from uninote.pipelines.kept_rows import publish_kept
from uninote.pipelines.neighbours_files import Written, of_kind
from uninote.pipelines.neighbours_join import Join
from uninote.pipelines.neighbours_ranking import Groups, rank_lists
from uninote.schemas import duplicates_table, neighbours_table


def publish(
    join: Join, written: Sequence[Written], before: Mapping[str, int] | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Make every neighbour table, its state, and the groups of duplicates of `written`; returns its (counts, versions).

    `before`: the versions that a night went on from; null where all rows were joined.
    """
    settings, generation = join.run.config.neighbours, join.run.generation
    versions = publish_kept(join, written, before)
    for name in settings.rules:
        state = join.state(name)
        versions[state.name] = replace_files(
            generation.uri(state.name), state.schema.json(), of_kind(written, name, STATE)
        )
    groups = _publish_duplicates(join, of_kind(written, "neighbours", PAIRS))
    for name, rule in settings.rules.items():
        spec = neighbours_table(join.run.note_id, name)
        files = rank_lists(join, name, groups) if rule.ranks else of_kind(written, name, PUBLIC)
        replace_files(generation.uri(spec.name), spec.schema.json(), files)
    tables.remove(join.staging_uri)
    return {"duplicates": len(groups.keys)}, versions


def _publish_duplicates(join: Join, files: Sequence[DataFile]) -> Groups:
    """Link notes that the unconstrained lists hold as duplicates, and write who belongs together."""
    spec = duplicates_table(join.run.note_id)
    uri = join.run.generation.uri(spec.name)
    if not files:
        replace_files(uri, spec.schema.json(), [])
        return Groups(np.empty(0, np.int64), np.empty(0, np.int64))
    pairs = pa.concat_tables([pq.read_table(file.path) for file in files])
    keys, group = connected(pairs["item_key"].to_numpy(), pairs["other_key"].to_numpy())
    sides = [pairs.select(["item_key", "note_id"]), pairs.select(["other_key", "other_id"])]
    ids = pa.concat_tables([side.rename_columns(["item_key", "note_id"]) for side in sides])
    ids = ids.group_by("item_key").aggregate([("note_id", "min")])
    named = pa.table({"item_key": keys, "group": group}).join(ids, "item_key")
    least = named.group_by("group").aggregate([("note_id_min", "min")]).rename_columns(["group", "group_id"])
    members = named.join(least, "group").select(["note_id_min", "group_id"]).rename_columns(["note_id", "group_id"])
    replace_files(uri, spec.schema.json(), [write_file(members.sort_by("note_id"), uri)])
    return Groups(keys, group)
