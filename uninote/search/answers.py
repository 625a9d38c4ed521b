"""The notes nearest to one query, with what their scores mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from uninote.confidence.features import mean_scores
from uninote.config.sections.index import SearchConfig
from uninote.config.sections.neighbours import NeighboursConfig
from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.search import Index
from uninote.lake.paths import GenerationLake, Lake
from uninote.lake.releases.pointer import live_release
from uninote.lake.releases.readers import place_for_readers
from uninote.lake.rows_by_id import NoteId, RowsById
from uninote.search.checkpoint import lake_around
from uninote.search.query import Query, Wanted, embedded, encoder_of
from uninote.search.ranking import Candidates, background_sample, by_items, by_parts, corrected
from uninote.search.scale import Answers, open_scale
from uninote.search.stored_banks import read_bank
from uninote.vectors.widths import truncate

_OWN_LISTS = "neighbour_state/neighbours"

Line = dict[str, Any]


def nearest_notes(index: Index, place: IndexFolder, query: Query, wanted: Wanted) -> list[Line]:
    """Return {"note_id", "score", "strength", "confidence"} of each note found, best first; `place` is where the index is.

    Strength and confidence are null where they are not known, and of scores that are no cosines with a note as a whole. With
    a temperature there is "corrected", by which notes are ranked. Raises UninoteError for a query without content, for a
    checkpoint that is not the index's, and for what the lake does not have.
    """
    wanted.check()
    lake = wanted.lake or lake_around(place.uri)
    encoder = encoder_of(place, index.manifest.generation, query.model, query.kind, lake)
    vectors = truncate(embedded(query, encoder, parts=wanted.fusion == "parts"), index.manifest.width)
    generation = None if lake is None else GenerationLake(Lake(lake), index.manifest.generation)
    if wanted.fusion == "parts" or wanted.weights or wanted.temperature is not None:
        lines = _ranked(index, _known(generation), vectors, wanted)
    else:
        notes, scores = index.search_notes(vectors, wanted.count, wanted.nprobe, wanted.constraint)
        lines = [_line(note, score) for note, score in zip(notes[0], scores[0], strict=True) if note is not None]
    if generation is not None and wanted.fusion == "note" and not wanted.weights and index.manifest.kinds == ("note",):
        _add_meaning(lines, generation, vectors, wanted)
    for line in lines:
        line |= {name: round(value, 6) for name, value in line.items() if isinstance(value, float)}
    return lines


def _known(generation: GenerationLake | None) -> GenerationLake:
    if generation is None:
        raise UninoteError("the index lies in no lake; name the one that it was made from with --lake")
    return generation


def _line(note: NoteId, score: float) -> Line:
    return {"note_id": note, "score": float(score), "strength": None, "confidence": None}


def _ranked(index: Index, generation: GenerationLake, vectors: np.ndarray, wanted: Wanted) -> list[Line]:
    """Return the notes that are best by weights, parts or corrected scores, of several times as many that the index finds."""
    depth = wanted.count * SearchConfig(hubness="none" if wanted.temperature is None else "queries").depth
    if wanted.weights:
        return _weighed(index, generation, vectors, wanted, depth)
    if index.manifest.kinds != ("note",):
        raise UninoteError("--fusion parts and --hubness queries need an index of notes alone; index.kinds names more")
    keys = np.unique(index.search(vectors, depth, wanted.nprobe, wanted.constraint)[0])
    keys = keys[keys >= 0]
    found = Candidates(keys, index.scores(vectors, keys))
    if wanted.temperature is None:
        values = by_parts(found, vectors, background_sample(generation, index.manifest.width))
        best = _best(values, wanted.count)
        return [_line(note, value) for note, value in zip(index.note_ids(keys[best]), values[best], strict=True)]
    values = corrected(index, found, read_bank(generation, wanted.bank_version), wanted.temperature)
    best = _best(values, wanted.count)
    rows = zip(index.note_ids(keys[best]), found.scores[0, best], values[best], strict=True)
    return [_line(note, score) | {"corrected": float(value)} for note, score, value in rows]


def _weighed(index: Index, generation: GenerationLake, vectors: np.ndarray, wanted: Wanted, depth: int) -> list[Line]:
    found, _ = index.search_notes(vectors, depth, wanted.nprobe, wanted.constraint)
    notes = [note for note in found[0].tolist() if note is not None]
    if not notes:
        return []
    values = by_items(generation, notes, vectors[0], wanted.weights)
    return [_line(notes[place], values[place]) for place in _best(values, wanted.count)]


def _best(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the highest values, best first."""
    return np.argsort(-values, kind="stable")[:count]


def _add_meaning(lines: list[Line], generation: GenerationLake, vectors: np.ndarray, wanted: Wanted) -> None:
    """Put in strengths, and confidences unless scores are corrected: a map knows lists in the order of their scores."""
    scale = open_scale(generation, vectors.shape[1], wanted.count)
    if scale is None or not lines:
        return
    found = Answers(
        pa.array([line["note_id"] for line in lines]),
        np.array([line["score"] for line in lines], np.float32),
        np.array([len(lines)]),
    )
    strengths = scale.strengths(found, scale.background.of_rows(vectors[:1]))
    chances = np.full(len(lines), np.nan)
    if scale.confidence is not None and wanted.temperature is None:
        chances = scale.confidences(found, strengths, _own_means(generation, found))
    for line, strength, chance in zip(lines, strengths.tolist(), chances.tolist(), strict=True):
        line["strength"] = None if np.isnan(strength) else strength
        line["confidence"] = None if np.isnan(chance) else chance


def _own_means(generation: GenerationLake, found: Answers) -> np.ndarray:
    """Return float32 (n,): the mean score of each found note's own list, NaN where it has none."""
    place = place_for_readers(generation, _OWN_LISTS)
    notes = found.notes.to_pylist()
    if place is None:
        return np.full(len(notes), np.nan, np.float32)
    rows = RowsById(*place, ("note_id", "scores")).find(notes)
    stored = rows["scores"].to_pylist()
    flat = np.frombuffer(b"".join(stored), np.float32)
    means = mean_scores(flat, np.array([len(one) // 4 for one in stored], np.int64), _list_length(generation))
    by_note = dict(zip(rows["note_id"].to_pylist(), means.tolist(), strict=True))
    return np.array([by_note.get(note, np.nan) for note in notes], np.float32)


def _list_length(generation: GenerationLake) -> int:
    """Return how many neighbours readers see of a note."""
    live = live_release(generation.lake.root)
    settings = {} if live is None else live.joined.get("settings", {})
    return NeighboursConfig.model_validate(settings, strict=False).k
