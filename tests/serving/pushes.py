"""Lists of a release, pushed as `publish` does it."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from uninote.serving.encoding import encoded
from uninote.serving.layout import GONE, Neighbours, NoteId
from uninote.serving.store import OnlineStore

LAKE = "lake-1"


def rows_of(lists: Mapping[NoteId, Neighbours]) -> pa.Table:
    """Return lists as a neighbour table has them."""
    kind = pa.int64() if isinstance(next(iter(lists), ""), int) else pa.string()
    entry = pa.struct([("note_id", kind), ("score", pa.float32())])
    neighbours = [[{"note_id": other, "score": score} for other, score in pairs] for pairs in lists.values()]
    return pa.table({"note_id": pa.array(list(lists), kind), "neighbours": pa.array(neighbours, pa.list_(entry))})


def put(store: OnlineStore, release: int, lists: Mapping[NoteId, Neighbours | None]) -> None:
    """Begin a push and put these lists; null says that the note is gone."""
    store.begin(release, LAKE)
    store.put_many(release, "neighbours", encoded(rows_of({key: one for key, one in lists.items() if one is not None})))
    store.put_many(release, "neighbours", [(key, GONE) for key, one in lists.items() if one is None])


def push(store: OnlineStore, release: int, lists: Mapping[NoteId, Neighbours | None]) -> None:
    """Push these lists whole, and flip."""
    put(store, release, lists)
    store.seal(release)
    store.flip(release)
