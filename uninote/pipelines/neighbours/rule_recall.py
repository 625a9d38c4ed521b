"""Recall of the tables whose rules pass candidates over, against the best of all that the rules allow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from udfs.arrow import from_bytes
from udfs.neighbours.cell_rows import Items
from udfs.neighbours.rule_recall import TRUTH, make_rule_truth
from uninote.neighbours.merge import merge_topk
from uninote.neighbours.rules import Rows
from uninote.pipelines.neighbours.cell_rows import KeptRows
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.neighbours.recall import listed

_RECALL_OF = "recall_of_"  # and the table's name: in the ledger's metrics
_KINDS = (StringType(), LongType(), BinaryType(), BinaryType())
_SCHEMA = StructType([StructField(name, kind) for name, kind in zip(TRUTH, _KINDS, strict=True)])


def rule_recalls(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return what `recall_of_rules` put into the ledger's metrics, by table."""
    return {name.removeprefix(_RECALL_OF): value for name, value in metrics.items() if name.startswith(_RECALL_OF)}


def recall_of_rules(join: Join, kept: KeptRows) -> dict[str, float]:
    """Return recall@K of the sample, for the ledger, of each table that passes candidates over.

    The rows kept for nights have vectors and attributes side by side: nothing is joined to know who is allowed.
    """
    rules = {name: rule for name, rule in join.task(1.0).rules.items() if not rule.plain}
    sample, k = join.survey, join.run.config.neighbours.k
    if not rules or not len(sample.keys):
        return {}
    rows = Rows(sample.vectors, join.attributes_of(sample.note_ids))
    shared = join.run.spark.sparkContext.broadcast((kept.files, Items(sample.keys, sample.note_ids, rows)))
    make = make_rule_truth(rules, lambda: shared.value[0], lambda: shared.value[1], k)
    told = kept.scan(make, _SCHEMA).toArrow()
    shared.destroy()
    lists = {name: listed(join, name, sample.keys) for name in rules}
    return {
        f"{_RECALL_OF}{name}": join.vectors.recall(sample.keys, found, _truth(told, name, k))
        for name, found in lists.items()
    }


def _truth(told: pa.Table, name: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the (keys, scores) of one table, merged: each cell has answered every note once."""
    mine = told.filter(pc.equal(told["table"], name)).sort_by("item_key").combine_chunks()
    notes = len(pc.unique(mine["item_key"]))
    keys, scores = (
        from_bytes(mine[column].combine_chunks(), k, kind).reshape(notes, -1)
        for column, kind in (("neighbour_keys", np.int64), ("scores", np.float32))
    )
    return merge_topk(keys, scores, k)
