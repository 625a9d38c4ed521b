"""How good the neighbours are, on a sample of notes: beside chance, and beside what plain words would find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.snapshot import Snapshot
from uninote.pipelines.lake.stored_vectors import StoredVectors
from uninote.pipelines.report.labels import Label, Notes, ids_of, labels_of, languages_of
from uninote.report.figures import Agreement

# Bounded, whatever the lake: a share of 1,000 notes is known to .03 (twice the standard error), and TF-IDF of 3,000
# notes takes a second and 40 MB.
SAMPLE = 3_000
QUERIES = 1_000
CHARACTERS = 1_000  # of a note's text


@dataclass(frozen=True)
class Sample:
    """Notes with their unit vectors, float32 (n, width), in a random order; and the lists of neighbours that they have."""

    note_ids: list[Any]
    vectors: np.ndarray
    lists: dict[Any, list[Any]]


def agreements(run: Run, snapshot: Snapshot, width: int) -> tuple[Agreement, ...]:
    """Return how often notes and their neighbours share a label, for each kind of label that there is.

    `width` is that of the vectors that the lists were made of.
    """
    sample = _sample(run, snapshot, width)
    notes = _notes(run, sample)
    facts = Facts(_groups(run, notes), languages_of(notes))
    return tuple(_agreement(run, sample, notes, label, facts) for label in labels_of(run, notes))


def _agreement(run: Run, sample: Sample, notes: Notes, label: Label, facts: Facts) -> Agreement:
    """Return the shares of the lists; and of the encoder, of TF-IDF and of chance among the sample's labelled notes."""
    places = [place for place, note_id in enumerate(sample.note_ids) if note_id in label.labels]
    labelled = [sample.note_ids[place] for place in places]
    rows = {"neighbour lists": shares_of_lists(sample.lists, label.labels, facts)}
    if len(places) > 1:
        queries = min(QUERIES, len(places))
        pairs = pairs_of(labelled, queries, label.labels, facts)
        vectors = sample.vectors[places]
        texts = [notes[note_id]["text"] for note_id in labelled]
        k = run.config.neighbours.k
        rows["encoder, in the sample"] = shares_of_scores(vectors[:queries] @ vectors.T, pairs, k)
        rows["TF-IDF, in the sample"] = shares_of_scores(tfidf_scores(texts, queries), pairs, k)
        rows["chance, in the sample"] = shares_of_chance(pairs)
    return Agreement(label.name, label.origin, len(labelled), rows)


def _sample(run: Run, snapshot: Snapshot, width: int) -> Sample:
    drawn = StoredVectors(run, snapshot, width).sample(SAMPLE, run.config.neighbours.seed)
    # They come in order of key, which may be that of the source: the first of them would not be a random part.
    order = np.random.default_rng(0).permutation(len(drawn.keys))
    note_ids = drawn.note_ids.take(pa.array(order))
    lists = tables.read_table(run.spark, run.generation.uri("neighbours"))
    others = F.transform("neighbours", lambda one: one["note_id"]).alias("others")
    found = among(run, lists, note_ids.to_pylist()).select("note_id", others).toArrow()
    by_note = dict(zip(found["note_id"].to_pylist(), found["others"].to_pylist(), strict=True))
    return Sample(note_ids.to_pylist(), drawn.vectors[order], by_note)


def _notes(run: Run, sample: Sample) -> Notes:
    """Return labels of the sample and its neighbours, and the beginning of what the encoder reads of the sample."""
    sampled = set(sample.note_ids)
    wanted = sampled.union(*sample.lists.values())
    ocr = F.array_join(F.coalesce("images.ocr", F.array().cast("array<string>")), " ")
    read = F.concat_ws(" ", "title", "body", F.array_join("topics", " "), ocr)
    rows = among(run, tables.read_table(run.spark, run.lake.uri("notes")), wanted)
    text = F.substring(read, 1, CHARACTERS).alias("text")
    return ids_of(rows.select("note_id", "category", "topics", "language", text).toArrow().to_pylist())


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
