"""How good a search is where right answers are known, and how much of it hubs take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from uninote.search.hubness import skewness


def measure(rows: Iterable[Mapping[str, Any]], right: Mapping[str, Any], notes: int) -> dict[str, float]:
    """Return what answers are worth: `rows` with query_id and neighbours, as `search.output` has them.

    `recall`: of the queries in `right` (query_id -> note_id) the share whose right note is among the answers; `first`: where it
    is the first. `skewness` of how many lists each of the `notes` of the corpus is in. Raises ValueError where `rows` have none
    of the queries.
    """
    lists = {row["query_id"]: [one["note_id"] for one in row["neighbours"]] for row in rows}
    asked = [query for query in right if query in lists]
    if not asked:
        raise ValueError("none of the queries whose right answers are given is among the rows; compare their ids")
    counts = np.zeros(notes)
    found = Counter(note for answers in lists.values() for note in answers)
    counts[: len(found)] = list(found.values())
    return {
        "recall": sum(right[query] in lists[query] for query in asked) / len(asked),
        "first": sum(lists[query][:1] == [right[query]] for query in asked) / len(asked),
        "skewness": skewness(counts),
    }
