"""The parts of a gallery's entries in memory, in groups of one kind and category, as blocks of scores need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ("entry_id", "kind", "position", "category", "enabled", "generic", "content_hash", "generation", "vector")


class Group(NamedTuple):
    """What thresholds are given for, beside the kind of the note's item: a kind of entries' parts and a category."""

    kind: str
    category: str


@dataclass(frozen=True)
class Entries:
    """Parts with vectors, in order of group, entry and position.

    `vectors` float32 (n, width); `groups`, of which the first part has the row `starts`, int64 (groups,); `ids` (n,) strings,
    `positions` int32 (n,), `generic` bool (n,).
    """

    vectors: np.ndarray
    groups: tuple[Group, ...]
    starts: np.ndarray
    ids: pa.Array
    positions: np.ndarray
    generic: np.ndarray

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.vectors)

    def rows_of(self, group: int) -> slice:
        """Return the rows of a group by its number."""
        end = self.starts[group + 1] if group + 1 < len(self.starts) else len(self)
        return slice(int(self.starts[group]), int(end))


def usable_rows(rows: pa.Table) -> pa.Table:
    """Return the rows, COLUMNS, of parts that are compared: those of enabled entries that have a vector."""
    return rows.filter(pc.and_(rows["enabled"], pc.is_valid(rows["vector"])))


def make_entries(rows: pa.Table, width: int) -> Entries:
    """Return the parts of rows, COLUMNS, that are compared; vectors have `width` numbers."""
    order = [(name, "ascending") for name in ("kind", "category", "entry_id", "position")]
    used = usable_rows(rows).sort_by(order).combine_chunks()
    vectors = used["vector"].combine_chunks()
    flat = vectors.flatten().to_numpy(zero_copy_only=False) if len(used) else np.empty(0, np.float32)
    kinds, categories = used["kind"].to_pylist(), used["category"].to_pylist()
    groups: list[Group] = []
    starts: list[int] = []
    for row, group in enumerate(map(Group, kinds, categories)):
        if not groups or groups[-1] != group:
            groups.append(group)
            starts.append(row)
    return Entries(
        vectors=np.ascontiguousarray(flat, np.float32).reshape(len(used), width),
        groups=tuple(groups),
        starts=np.array(starts, np.int64),
        ids=pa.array(used["entry_id"].to_pylist(), pa.string()),
        positions=used["position"].to_numpy().astype(np.int32),
        generic=np.asarray(used["generic"].to_numpy(zero_copy_only=False), bool),
    )
