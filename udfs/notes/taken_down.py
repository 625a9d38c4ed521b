"""Rows of notes that are taken down, told apart by note_id: by the ids that the list names, and by hashes of erased ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import ArrowMap
from uninote.lake.takedowns.watch import Taken

_WORD = re.compile(r"[^\s\"',:;(){}\[\]<>]+")


def make_chosen(taken: Taken, *, hidden: bool) -> ArrowMap:
    """Keep the rows of notes that are taken down, or with `hidden` false all others; columns stay as they are."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ids = batch.column("note_id").to_pylist()
            yield batch.filter(pa.array([taken.hides(one) == hidden for one in ids], pa.bool_()))

    return run


def make_quoting(taken: Taken, *, hidden: bool) -> ArrowMap:
    """As `make_chosen`, of rows that quote notes: by their item_id, if they have one, and by any word of their message."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            quoted = batch.column("message").to_pylist()
            items = batch.column("item_id").to_pylist() if "item_id" in batch.schema.names else [None] * len(quoted)
            is_theirs = []
            for item, message in zip(items, quoted, strict=True):
                words = [(item or "").partition("#")[0], *_WORD.findall(message or "")]
                is_theirs.append(any(map(taken.hides, words)) == hidden)
            yield batch.filter(pa.array(is_theirs, pa.bool_()))

    return run
