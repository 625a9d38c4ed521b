"""Neighbours of a note by day: its list out of the online store, or, for a note that no night has seen, a search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL.Image import Image

from uninote.config.sections.neighbours import RuleConfig
from uninote.index.note_keys import Constraint
from uninote.index.search import Index
from uninote.model.encoder import Encoder
from uninote.notes.note import Note
from uninote.serving.layout import Neighbours, NoteId, StoreError
from uninote.serving.store import OnlineStore
from uninote.vectors.widths import truncate

_MOST_ASKED = 10_000  # notes of one search, of which rules and hidden notes pass over some


@dataclass(frozen=True)
class NewNote:
    """A note, its images as `load_image` returns them, and its attributes, absent where null.

    Without a `note_id` it has no list, and is searched for.
    """

    note: Note
    note_id: NoteId | None = None
    images: Sequence[Image] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ListRule:
    """A neighbour table, and what it was made with: its rule, `neighbours.k` and `neighbours.duplicate_score`."""

    table: str = "neighbours"
    rule: RuleConfig = field(default_factory=RuleConfig)
    k: int = 20
    duplicate_score: float = 0.995


class DayPath:
    """Answers for one table, for one thread at a time: a store, the index of the same release, and the encoder of both.

    Raises StoreError for a rule that an index cannot obey: of age, or of one note for each group of duplicates. Of `hubness`
    a search knows nothing.
    """

    def __init__(self, store: OnlineStore, index: Index, encoder: Encoder, wanted: ListRule) -> None:
        rule = wanted.rule
        if rule.fresh_days is not None or rule.duplicates == "collapse":
            raise StoreError(
                f"the rule of {wanted.table} looks at ages or at groups of duplicates, which no index knows; search by a table "
                "without fresh_days and duplicates: collapse"
            )
        self._store = store
        self._index = index
        self._encoder = encoder
        self._wanted = wanted

    def neighbours_of(self, new: NewNote) -> Neighbours:
        """Return [(note_id, score)], best first, at most K: the note's list, else what a search finds by the same rule.

        Scores of a search are those of the index, cosines but for rounding. Hidden notes are in neither; a hidden note has
        no neighbours. Raises StoreError, SearchError, and what the encoder raises.
        """
        if new.note_id is not None:
            if self._store.hides(new.note_id):
                return []
            found = self._store.get([new.note_id], self._wanted.table)
            if new.note_id in found:
                return found[new.note_id]
        return self._search(new)

    def _search(self, new: NewNote) -> Neighbours:
        constraint = _constraint(self._wanted.rule, new.attributes)
        if constraint is None:
            return []
        prepared = self._encoder.prepare(new.note, list(new.images))
        vector = truncate(np.asarray(self._encoder.embed([prepared])), self._index.template.width)
        hidden = {*self._store.hidden()}
        asked = self._wanted.k + 1
        while True:
            notes, scores = self._index.search_notes(vector, asked, constraint=constraint)
            found = [pair for pair in _pairs(notes[0], scores[0]) if self._admits(pair, new, hidden)]
            # A free slot says that the index has no more; below the least score nobody counts.
            ends = notes[0, -1] is None or self._is_low(float(scores[0, -1]))
            if len(found) >= self._wanted.k or ends or asked >= _MOST_ASKED:
                return found[: self._wanted.k]
            asked *= 4

    def _admits(self, pair: tuple[NoteId, float], new: NewNote, hidden: set[str]) -> bool:
        note_id, score = pair
        is_duplicate = self._wanted.rule.duplicates == "exclude" and score >= self._wanted.duplicate_score
        return not (note_id == new.note_id or str(note_id) in hidden or is_duplicate or self._is_low(score))

    def _is_low(self, score: float) -> bool:
        return self._wanted.rule.min_score is not None and score < self._wanted.rule.min_score


def _pairs(notes: np.ndarray, scores: np.ndarray) -> Iterator[tuple[NoteId, float]]:
    for note_id, score in zip(notes.tolist(), scores.tolist(), strict=True):
        if note_id is not None:
            yield note_id, score


def _constraint(rule: RuleConfig, attributes: Mapping[str, str]) -> Constraint | None:
    """Return which notes a rule lets be neighbours of one with these attributes; null where it lets none.

    As in the join, a note without a value has no neighbours of the same, and any of a different one.
    """
    only: list[tuple[str, tuple[str, ...]]] = [(name, tuple(values)) for name, values in rule.only.items()]
    never: list[tuple[str, tuple[str, ...]]] = [(name, tuple(values)) for name, values in rule.never.items()]
    for name in rule.same:
        if attributes.get(name) is None:
            return None
        only.append((name, (attributes[name],)))
    for name in rule.different:
        if attributes.get(name) is not None:
            never.append((name, (attributes[name],)))
    return Constraint(tuple(only), tuple(never))
