"""Which note each key of a shard is, and what filters know of it: an Arrow file beside the shard, memory-mapped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uninote.errors import UninoteError
from uninote.notes.attributes import NOTE_ATTRIBUTES

KEY = "item_key"
NOTE = "note_id"
COLUMNS = (KEY, NOTE, "kind", *NOTE_ATTRIBUTES)
_LISTS = b"lists"


class ConstraintError(UninoteError):
    """A constraint names what an index does not know."""


@dataclass(frozen=True)
class Constraint:
    """Which notes may be found: `only` and `never` hold (attribute, values). A null attribute is in no set of values.

    `without` are ids, as texts, of notes that are not found whatever their attributes.
    """

    only: tuple[tuple[str, tuple[str, ...]], ...] = ()
    never: tuple[tuple[str, tuple[str, ...]], ...] = ()
    without: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, only: Mapping[str, Sequence[str]] | None = None, never: Mapping[str, Sequence[str]] | None = None
    ) -> Constraint:
        """Return the constraint. Raises ConstraintError for an attribute other than those in NOTE_ATTRIBUTES."""
        return cls(_sets_of(only or {}), _sets_of(never or {}))

    def __bool__(self) -> bool:
        """Say whether anything is excluded at all."""
        return bool(self.only or self.never or self.without)


def _sets_of(asked: Mapping[str, Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (attribute, values) of each. Raises ConstraintError for what is no attribute of notes."""
    sets = []
    for name, values in asked.items():
        if name not in NOTE_ATTRIBUTES:
            raise ConstraintError(f"notes cannot be chosen by {name!r}; an index knows {', '.join(NOTE_ATTRIBUTES)}")
        sets.append((name, tuple(values)))
    return tuple(sets)


class NoteKeys:
    """The rows of a shard by key, ascending; nothing is read before it is asked for."""

    def __init__(self, path: Path) -> None:
        with pa.memory_map(str(path)) as source:
            self._table = pa.ipc.open_file(source).read_all()

    @cached_property
    def keys(self) -> np.ndarray:
        """int64 (rows,): the keys, ascending."""
        return np.asarray(self._table[KEY].to_numpy())

    @cached_property
    def lists(self) -> np.ndarray:
        """int32 (lists,): the lists of the template that the shard's lists are, in the shard's order."""
        return np.frombuffer(self._table.schema.metadata[_LISTS], np.int32)

    def positions(self, keys: np.ndarray) -> np.ndarray:
        """Return int64 positions of those of `keys`, sorted int64, that are here."""
        places = np.searchsorted(self.keys, keys)
        inside = places < len(self.keys)
        return np.asarray(places[inside][self.keys[places[inside]] == keys[inside]])

    def rows(self, positions: np.ndarray) -> list[pa.RecordBatch]:
        """Return the rows at `positions`, COLUMNS, as batches without the file's metadata."""
        table = self._table.take(pa.array(positions)).replace_schema_metadata(None)
        return [batch for batch in table.to_batches() if len(batch)]

    def note_ids(self, positions: np.ndarray) -> np.ndarray:
        """Return the notes at `positions` as an object array."""
        return np.array(self._table[NOTE].take(pa.array(positions)).to_pylist(), dtype=object)

    def matching(self, constraint: Constraint) -> np.ndarray:
        """Return a mask (rows,) of the notes that the constraint allows."""
        mask = np.ones(len(self._table), dtype=bool)
        for sets, wanted in ((constraint.only, True), (constraint.never, False)):
            for name, values in sets:
                inside = pc.is_in(self._table[name], value_set=pa.array(values, pa.string()), skip_nulls=True)
                mask &= np.asarray(inside) == wanted
        if constraint.without:
            mask &= ~self._named(constraint.without)
        return mask

    def names_any(self, note_ids: Collection[str]) -> bool:
        """Say whether one of some notes, ids as texts, has a row."""
        return bool(self._named(note_ids).any())

    def _named(self, note_ids: Collection[str]) -> np.ndarray:
        """Return a mask (rows,) of the rows of some notes, ids as texts."""
        ids = self._table[NOTE].cast(pa.string())
        return np.asarray(pc.is_in(ids, value_set=pa.array([*note_ids], pa.string())))


def write_keys(rows: Sequence[pa.RecordBatch], lists: np.ndarray, path: Path) -> None:
    """Write the rows of a shard, COLUMNS, in order of key. Raises ValueError when a key comes twice."""
    table = pa.Table.from_batches(rows).select(COLUMNS).combine_chunks()
    keys = table[KEY].to_numpy()
    # Rows mostly come in order already: looking is cheaper than sorting texts along with keys.
    if (np.diff(keys) < 0).any():
        table = table.take(pc.sort_indices(table, [(KEY, "ascending")]))
    if (np.diff(table[KEY].to_numpy()) == 0).any():
        raise ValueError("a key comes twice")
    table = table.replace_schema_metadata({_LISTS: lists.astype(np.int32).tobytes()})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
