"""Which words the notes of a branch of the first level have, and the labels of those below it."""

from __future__ import annotations

from collections import Counter, defaultdict

import pyarrow as pa

from uninote.corpus_map.labels import labels_among, totals_of
from uninote.corpus_map.words import words_of

WHOLE = -1  # instead of a code of the second level: the branch of the first as a whole
SECOND_WORDS = 3
# No word is one of these: they count a branch's notes, and all words of these.
NOTES = ""
WORDS = " "
# Rows of labels have no word, rows of words no label.
COUNTED = pa.schema(
    [
        ("first", pa.int32()),
        ("second", pa.int32()),
        ("label", pa.list_(pa.string())),
        ("word", pa.string()),
        ("notes", pa.int64()),
    ]
)


def count_words(rows: pa.Table) -> pa.Table:
    """Map all rows (first, second, text) of one branch of the first level to COUNTED.

    A row for each branch below it, with its label, and one for each word, with how many of the notes have it.
    """
    first = rows["first"][0].as_py()
    below: dict[int, Counter[str]] = defaultdict(Counter)
    for second, text in zip(rows["second"].to_pylist(), rows["text"].to_pylist(), strict=True):
        below[second].update(words_of(text))
    words = totals_of(list(below.values()))
    counts = {NOTES: len(rows), WORDS: words.total(), **words}
    below.pop(WHOLE, None)
    labels = {code: list(label) for code, label in labels_among(below, len(rows), SECOND_WORDS).items()}
    columns = {
        "first": [first] * (len(labels) + len(counts)),
        "second": [*labels, *[WHOLE] * len(counts)],
        "label": [*labels.values(), *[None] * len(counts)],
        "word": [*[None] * len(labels), *counts],
        "notes": [*[None] * len(labels), *counts.values()],
    }
    return pa.table(columns, COUNTED)
