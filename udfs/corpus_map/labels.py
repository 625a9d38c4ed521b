"""The label of a branch of the first level, out of counts of its words."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from udfs.corpus_map.words import NOTES, WHOLE, WORDS
from uninote.corpus_map.labels import label_of, most_notes

LABELS = pa.schema([("first", pa.int32()), ("second", pa.int32()), ("label", pa.list_(pa.string()))])
FIRST_WORDS = 5


def make_labels(branches: int) -> Callable[[pa.Table], pa.Table]:
    """Map all rows (first, word, notes, total) of one branch of the first level, of `branches`, to LABELS.

    `total` counts the notes of the whole corpus that have the word.
    """

    def run(rows: pa.Table) -> pa.Table:
        words = rows["word"].to_pylist()
        mine = dict(zip(words, rows["notes"].to_pylist(), strict=True))
        totals = dict(zip(words, rows["total"].to_pylist(), strict=True))
        notes, all_words = totals.pop(NOTES), totals.pop(WORDS)
        del mine[NOTES], mine[WORDS]
        label = label_of(mine, totals, all_words / branches, most_notes(notes, branches), FIRST_WORDS)
        return pa.table([[rows["first"][0].as_py()], [WHOLE], [list(label)]], LABELS)

    return run
