"""Pairs scored by a judge inside executors, a batch at a time, each stored before the next is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from udfs.arrow import ArrowMap
from uninote.digests import digest
from uninote.notes.note import Note, NoteImage
from uninote.storage import lake_files
from uninote.training.from_notes.soft_scores import ANSWERS
from uninote.training.judging import Pair, Shown, load_judge, scores_of

TOGETHER = 64  # pairs that a judge is given at once, and that a kill may lose
JUDGED = pa.schema(
    [pa.field("query_mark", pa.string()), pa.field("candidate_mark", pa.string()), pa.field("score", pa.float32())]
)


def make_judgements(name: str, folder: str) -> ArrowMap:
    """Map pairs (query_mark, candidate_mark, query, candidate), items as (shown, images), to how many were asked for.

    `shown` is the JSON of an item's content. The scores of each batch are a file of JUDGED in `folder`, named by its pairs: a
    task that runs once more finds what it has asked for.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        judge = load_judge(name)
        for batch in batches:
            for start in range(0, len(batch), TOGETHER):
                rows = batch.slice(start, TOGETHER).to_pylist()
                marks = [(row["query_mark"], row["candidate_mark"]) for row in rows]
                path = lake_files.join(folder, f"{digest(marks)}.parquet")
                if lake_files.is_file(path):
                    continue
                pairs = [Pair(_shown(row["query"]), _shown(row["candidate"])) for row in rows]
                scores = scores_of(judge, pairs, name)
                found = [
                    dict(zip(JUDGED.names, (*of, score), strict=True)) for of, score in zip(marks, scores, strict=True)
                ]
                _store(pa.Table.from_pylist(found, JUDGED), path)
                yield pa.RecordBatch.from_pydict({"pairs": [len(rows)]})

    return run


def make_judged(margin: float) -> ArrowMap:
    """Map examples with `found`, [pos, candidate, score] of the positive, the one by rule and the negatives, to ANSWERS."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_pylist([judged(row, margin) for row in batch.to_pylist()], schema=ANSWERS)

    return run


def judged(row: Mapping[str, Any], margin: float) -> dict[str, Any]:
    """Return the answer with the judge's scores; a negative within `margin` of the positive by them, or above, is none."""
    positive, rule, *others = sorted(row["found"], key=lambda one: int(one["pos"]))
    kept = [one for one in others if one["score"] <= positive["score"] - margin]
    return {
        **{name: row[name] for name in ("strategy", "query", "positive", "by_rule")},
        "positive_score": positive["score"],
        "rule_score": rule["score"],
        "negatives": [one["candidate"] for one in kept],
        "negative_scores": [one["score"] for one in kept],
        "inside": row["inside"],
    }


def _shown(item: Mapping[str, Any]) -> Shown:
    row = json.loads(item["shown"])
    images = tuple(NoteImage(image["digest"], image["ocr"] or "") for image in row.get("images", ()))
    texts = (row.get("title", ""), row.get("body", ""), tuple(row.get("topics", ())))
    return Shown(
        row["kind"], Note(*texts, images, row.get("described", ""), row.get("asked")), tuple(item["images"] or ())
    )


def _store(rows: pa.Table, path: str) -> None:
    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink)
    lake_files.write(path, sink.getvalue().to_pybytes())
