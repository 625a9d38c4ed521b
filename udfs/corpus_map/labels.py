"""Labels of a branch of the first level and of those below it, out of counts of their words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import pyarrow as pa

from udfs.corpus_map.words import NOTES, WORDS
from uninote.corpus_map.labels import label_of, labels_among, most_notes

WHOLE = -1  # instead of a code of the second level: the branch of the first as a whole
LABELS = pa.schema([("first", pa.int32()), ("second", pa.int32()), ("label", pa.list_(pa.string()))])
FIRST_WORDS = 5
SECOND_WORDS = 3


def make_labels(branches: int) -> Callable[[pa.Table], pa.Table]:
    """Map all rows (first, second, word, notes, total) of one branch of the first level, of `branches`, to LABELS.

    `total` counts the notes of the whole corpus that have the word.
    """

    def run(rows: pa.Table) -> pa.Table:
        first = rows["first"][0].as_py()
        below: dict[int, Counter[str]] = defaultdict(Counter)
        totals: dict[str, int] = {}
        for second, word, notes, total in zip(
            *(rows[name].to_pylist() for name in ("second", "word", "notes", "total")), strict=True
        ):
            below[second][word] += notes
            totals[word] = total
        mine = _sum(below)
        notes, words = totals.pop(NOTES), totals.pop(WORDS)
        mine_notes = mine.pop(NOTES)
        del mine[WORDS]
        label = label_of(mine, totals, words / branches, most_notes(notes, branches), FIRST_WORDS)
        for counts in below.values():
            del counts[NOTES], counts[WORDS]
        labels = {WHOLE: label} | labels_among(below, mine_notes, SECOND_WORDS)
        columns = [[first] * len(labels), list(labels), [list(one) for one in labels.values()]]
        return pa.table(dict(zip(LABELS.names, columns, strict=True)), LABELS)

    return run


def _sum(below: dict[int, Counter[str]]) -> Counter[str]:
    mine: Counter[str] = Counter()
    for counts in below.values():
        mine.update(counts)
    return mine
