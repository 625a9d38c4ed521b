"""How good the neighbours are, on a sample of notes: beside chance, and beside what plain words would find."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type

from uninote.evaluation.agreement import Facts, pairs_of, shares_of_chance, shares_of_lists, shares_of_scores
from uninote.evaluation.text_baseline import tfidf_scores
from uninote.lake.schemas import duplicates_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.pipelines.report.labels import Label, Notes, ids_of, labels_of, languages_of
from uninote.pipelines.report.strengths import strength_cuts
from uninote.report.figures import Agreement, StrengthCut

# Bounded, whatever the lake: a share of 1,000 notes is known to .03 (twice the standard error), and TF-IDF of 3,000
# notes takes a second and 40 MB.
SAMPLE = 3_000
QUERIES = 1_000
CHARACTERS = 1_000  # of a note's text
LINE = 80  # of that of a neighbour outside the sample


@dataclass(frozen=True)
class Sample:
    """Notes with their unit vectors, float32 (n, width), in a random order; and their neighbours, with strengths."""

    note_ids: list[Any]
    vectors: np.ndarray
    entries: dict[Any, list[tuple[Any, float | None]]]

    @cached_property
    def lists(self) -> dict[Any, list[Any]]:
        """The lists without strengths."""
        return {note: [other for other, _ in entries] for note, entries in self.entries.items()}


@dataclass(frozen=True)
class Quality:
    """How often notes and their neighbours share a label, for each kind; and what a least strength leaves of lists."""

    agreements: tuple[Agreement, ...] = ()
    strengths: tuple[StrengthCut, ...] = ()


def measure_quality(run: Run, snapshot: Snapshot, width: int) -> Quality:
    """Return how good lists are that were made of the vectors of `width`."""
    sample = _sample(run, snapshot, width)
    notes = _notes(run, sample)
    facts = Facts(_groups(run, notes), languages_of(notes))
    labels = labels_of(run, notes)
    rankings = _rankings(sample, notes) if labels else {}
    found = []
    for label in labels:
        found.append(_agreement(sample, rankings, label, facts, run.config.neighbours.k))
    return Quality(tuple(found), strength_cuts(sample.entries, labels))


def _rankings(sample: Sample, notes: Notes) -> dict[str, np.ndarray]:
    """Return scores by what gives them, float32 (queries, sampled notes): made once, as TF-IDF takes a second."""
    queries = min(QUERIES, len(sample.note_ids))
    texts = []
    for note_id in sample.note_ids:
        texts.append(notes[note_id]["text"] if note_id in notes else "")
    return {
        "encoder, in the sample": sample.vectors[:queries] @ sample.vectors.T,
        "TF-IDF, in the sample": tfidf_scores(texts, queries),
    }


def _agreement(sample: Sample, rankings: Mapping[str, np.ndarray], label: Label, facts: Facts, k: int) -> Agreement:
    """Return the shares of the lists; and of each ranking and of chance among the sample's labelled notes."""
    places = []
    labelled = []
    for place, note_id in enumerate(sample.note_ids):
        if note_id in label.labels:
            places.append(place)
            labelled.append(note_id)
    rows = {"neighbour lists": shares_of_lists(sample.lists, label.labels, facts)}
    # Rankings have a row for each of the first QUERIES notes, and places ascend.
    queries = bisect_left(places, QUERIES)
    if queries and len(places) > 1:
        pairs = pairs_of(labelled, queries, label.labels, facts)
        for name, scores in rankings.items():
            rows[name] = shares_of_scores(scores[np.ix_(places[:queries], places)], pairs, k)
        rows["chance, in the sample"] = shares_of_chance(pairs)
    return Agreement(label.name, label.origin, len(labelled), rows)


def _sample(run: Run, snapshot: Snapshot, width: int) -> Sample:
    drawn = StoredVectors(run, snapshot, width).sample(SAMPLE, run.config.neighbours.seed)
    # They come in order of key, which may be that of the source: the first of them would not be a random part.
    order = np.random.default_rng(0).permutation(len(drawn.keys))
    note_ids = drawn.note_ids.take(pa.array(order))
    lists = tables.read_table(run.spark, run.generation.uri("neighbours"))
    found = among(run, lists, note_ids.to_pylist()).select("note_id", "neighbours").toArrow()
    by_note = {}
    for row in found.to_pylist():
        # Lists of earlier releases have no strengths.
        by_note[row["note_id"]] = [(one["note_id"], one.get("strength")) for one in row["neighbours"]]
    return Sample(note_ids.to_pylist(), drawn.vectors[order], by_note)


def _notes(run: Run, sample: Sample) -> Notes:
    """Return labels of the sample and its neighbours, and the beginning of what the encoder reads of them.

    Of neighbours outside the sample, twenty times as many in a large lake, it is the first line's worth: enough to guess a
    language by.
    """
    sampled = set(sample.note_ids)
    others = set().union(*sample.lists.values()) - sampled
    ocr = F.array_join(F.coalesce("images.ocr", F.array().cast("array<string>")), " ")
    read = F.concat_ws(" ", "title", "body", F.array_join("topics", " "), ocr)
    notes = tables.read_table(run.spark, run.lake.uri("notes"))
    found: list[dict[str, Any]] = []
    for note_ids, characters in ((sampled, CHARACTERS), (others, LINE)):
        text = F.substring(read, 1, characters).alias("text")
        rows = notes.select("note_id", "category", "topics", "language", text)
        found += among(run, rows, note_ids).toArrow().to_pylist() if note_ids else []
    return ids_of(found)


def _groups(run: Run, notes: Notes) -> dict[Any, Any]:
    """Return the group of each note that is a duplicate of another."""
    uri = run.generation.uri(duplicates_table(run.note_id).name)
    if not tables.has_table(uri):
        return {}
    found = among(run, tables.read_table(run.spark, uri), notes).toArrow()
    return dict(zip(found["note_id"].to_pylist(), found["group_id"].to_pylist(), strict=True))


def among(run: Run, rows: DataFrame, note_ids: Iterable[Any]) -> DataFrame:
    """Return the rows of some notes, whose ids every task gets: tens of thousands at most."""
    ids = pa.array(list(note_ids), to_arrow_type(run.note_id))
    if not len(ids):
        return rows.limit(0)
    wanted = run.spark.createDataFrame(pa.table({"note_id": ids}))
    return rows.join(F.broadcast(wanted), "note_id")
