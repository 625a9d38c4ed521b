"""Which words the notes of each branch have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from uninote.corpus_map.words import words_of

# No word is one of these: they count a branch's notes, and all words of these.
NOTES = ""
WORDS = " "
COUNTED = pa.schema([("first", pa.int32()), ("second", pa.int32()), ("word", pa.string()), ("notes", pa.int64())])


def count_words(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map (first, second, text) to COUNTED: how many notes of a branch have a word, added up within a batch."""
    for batch in batches:
        counts: Counter[tuple[int, int, str]] = Counter()
        for first, second, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            words = words_of(text)
            counts[first, second, NOTES] += 1
            counts[first, second, WORDS] += len(words)
            for word in words:
                counts[first, second, word] += 1
        columns = {
            "first": [first for first, _, _ in counts],
            "second": [second for _, second, _ in counts],
            "word": [word for _, _, word in counts],
            "notes": list(counts.values()),
        }
        yield pa.RecordBatch.from_pydict(columns, schema=COUNTED)
