"""What a person is asked in one go: pairs of the live release, and the notes in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uninote.judgments.asking.answers import Draw
from uninote.judgments.asking.shown_notes import ShownNote, shown_notes
from uninote.judgments.drawing import DrawnPair, draw
from uninote.judgments.stored import read_judgments
from uninote.lake.rows_by_id import NoteId
from uninote.lake.takedowns.watch import taken_down
from uninote.media.fetching import MediaPolicy
from uninote.releases.open_release import OpenRelease


@dataclass(frozen=True)
class Asked:
    """Whose answers to how many pairs of which table are wanted; the same `seed` draws the same pairs of a release."""

    table: str
    source: str
    judge: str | None
    count: int
    seed: int


@dataclass(frozen=True)
class Session:
    """Pairs in the order in which they are asked for, and their notes; `name` is that of a file of answers, without its end."""

    name: str
    draw: Draw
    pairs: list[DrawnPair]
    notes: dict[NoteId, ShownNote]


def open_session(opened: OpenRelease, asked: Asked, policy: MediaPolicy | None) -> Session:
    """Return pairs that this judge did not judge yet; with pictures where a `policy` says what may be opened.

    Raises ReleaseError where the release has no such table, and JudgmentError where that has no pairs.
    """
    opened.table(asked.table)
    uri, version = opened.tables[asked.table]
    drawn = draw(uri, version, asked.count, asked.seed, taken_down(opened.lake))
    known = _known(opened, asked)
    pairs = [pair for pair in drawn if (pair.a, pair.b) not in known]
    notes = shown_notes(opened, _notes_of(pairs), policy)
    made = Draw(asked.table, opened.id, opened.release.generation, asked.source, asked.judge)
    return Session(f"judgments-{asked.table}-{opened.id}-{asked.seed}", made, pairs, notes)


def _known(opened: OpenRelease, asked: Asked) -> set[tuple[NoteId, NoteId]]:
    """Return the pairs that the same judge has judged, of lists of the same model."""
    wanted = (asked.table, asked.source, asked.judge, opened.release.generation)
    found = set()
    for row in read_judgments(opened.lake).to_pylist():
        if (row["table"], row["source"], row["judge"], row["generation"]) == wanted:
            found.add((row["a"], row["b"]))
    return found


def _notes_of(pairs: Sequence[DrawnPair]) -> set[NoteId]:
    return {note for pair in pairs for note in (pair.a, pair.b)}
