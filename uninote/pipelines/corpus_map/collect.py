"""A map of the corpus out of a lake's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from udfs.corpus_map.words import WHOLE
from uninote.codes.stored import read_codebook
from uninote.corpus_map.changes import Totals, change_of
from uninote.corpus_map.data import Branch, CorpusMap, TypicalNote
from uninote.corpus_map.places import places_of
from uninote.pipelines.corpus_map.coded import Coded, Key, flags, languages, sizes
from uninote.pipelines.corpus_map.compared import before, shown_release
from uninote.pipelines.corpus_map.labels import labels
from uninote.pipelines.corpus_map.typical import typical_notes
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.run import Run

_NONE = (0, 0)


@dataclass(frozen=True)
class _Facts:
    """What is known of branches. Sizes and flags are those of the second level; those of the first are their sums."""

    sizes: Mapping[Key, int]
    before: Mapping[Key, int] | None
    flags: Mapping[Key, tuple[int, int]]
    labels: Mapping[Key, tuple[str, ...]]
    typical: Mapping[Key, tuple[TypicalNote, ...]]
    languages: Mapping[int, list[tuple[str, int]]]


def collect_map(run: Run, snapshot: Snapshot) -> CorpusMap | None:
    """Return the map of the newest codes; null where there are none, or where none is of a note that is there."""
    coded = _coded(run, snapshot)
    if coded is None:
        return None
    now = sizes(coded, coded.version)
    notes = sum(now.values())
    if not notes:
        return None
    earlier = before(coded)
    first = _by_first(now)
    facts = _Facts(
        now,
        earlier.sizes,
        flags(coded),
        labels(coded, notes, len(first)),
        typical_notes(coded, notes),
        languages(coded),
    )
    places = places_of(coded.codebook.decode(np.array(list(first))[:, None]), np.array(list(first.values())))
    return CorpusMap(
        lake=run.lake.root,
        release=shown_release(run, coded.version),
        codebook=f"{coded.codebook.version} ({coded.codebook.fingerprint})",
        created_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        notes=notes,
        without=_without(run, notes),
        branches=_branches(facts, dict(zip(first, places.points, strict=True))),
        compared=earlier.said,
        shown_share=places.share,
    )


def _coded(run: Run, snapshot: Snapshot) -> Coded | None:
    version = tables.version_or_absent(run.generation.uri("codes"))
    codebook = read_codebook(run.generation.uri("codebooks"))
    if version == tables.ABSENT or codebook is None or codebook.width not in snapshot.widths:
        return None
    return Coded(run, snapshot, codebook, version)


def _without(run: Run, coded: int) -> int:
    notes = tables.read_table(run.spark, run.lake.uri("notes")).count()
    # Codes may be of an older night than notes.
    return max(0, notes - coded)


def _branches(facts: _Facts, places: Mapping[int, np.ndarray]) -> tuple[Branch, ...]:
    """Return the branches of the first level with their children, those that are gone among them, in order of their codes."""
    first, first_before = _by_first(facts.sizes), _by_first(facts.before or {})
    totals = Totals(sum(first.values()), sum(first_before.values()))
    below: dict[int, list[Branch]] = {code: [] for code in sorted({*first, *first_before})}
    for key in sorted({*facts.sizes, *(facts.before or {})}):
        if key[1] != WHOLE:
            below[key[0]].append(_child(facts, key, totals))
    marks = _sums(facts.flags)
    found = []
    for code, children in below.items():
        notes = first.get(code, 0)
        place = places.get(code)
        found.append(
            Branch(
                code,
                notes,
                facts.labels.get((code, WHOLE), ()),
                facts.typical.get((code, WHOLE), ()),
                *marks.get(code, _NONE),
                languages=tuple(facts.languages.get(code, ())),
                place=None if place is None else (float(place[0]), float(place[1])),
                change=change_of(notes, first_before.get(code, 0), totals),
                children=tuple(children),
            )
        )
    return tuple(found)


def _child(facts: _Facts, key: Key, totals: Totals) -> Branch:
    notes = facts.sizes.get(key, 0)
    change = change_of(notes, (facts.before or {}).get(key, 0), totals)
    label, typical = facts.labels.get(key, ()), facts.typical.get(key, ())
    return Branch(key[1], notes, label, typical, *facts.flags.get(key, _NONE), change=change)


def _by_first(counts: Mapping[Key, int]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for (first, _), notes in counts.items():
        found[first] += notes
    return dict(sorted(found.items()))


def _sums(marks: Mapping[Key, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for (first, _), (degraded, truncated) in marks.items():
        before_it = found.get(first, _NONE)
        found[first] = (before_it[0] + degraded, before_it[1] + truncated)
    return found
