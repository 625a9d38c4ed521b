"""Purity by the first codes on vectors of three kinds, beside the codes of other notes and plain k-means of equal size.

The trained encoder that comes with the package on the demo's notes, TF-IDF of the same notes' texts, and, as a control, the
encoder on images of noise that are given the same topics: their purity must be that of codes that are dealt out.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from composed import Pair, vectors_of
from PIL import Image

from uninote.codes.fitting import FitSettings, fit_codebook
from uninote.codes.measures import numbers_of, purities
from uninote.corpus_map.words import words_of
from uninote.demo.workspace import demo_checkpoint, demo_corpus
from uninote.model.encoder import kind_of, load_encoder
from uninote.notes.note import Note, NoteImage
from uninote.pipelines.runtime.progress import say

NOTES, SEED = 3000, 7  # the demo of `make run`
SIZE = 32  # codes of a level: of 256, nearly every prefix of two would have one note alone
TFIDF_WIDTH = 256
NOISE_SIDE = 64
Row = dict[str, Any]


def purity_rows(folder: Path) -> dict[str, dict[str, float]]:
    """Return, by the kind of vectors, purities by the first code and the first two, of the demo's topics."""
    corpus = demo_corpus(str(folder), NOTES, SEED)
    truth = {row["note_id"]: row for row in _rows(corpus / "truth.jsonl")}
    rows = [row for row in _rows(corpus / "items.jsonl") if _is_sound(truth[row["note_id"]])]
    labels = numbers_of([truth[row["note_id"]]["topic"] for row in rows])
    encoder = load_encoder(demo_checkpoint(), kind_of(demo_checkpoint()), threads=os.cpu_count() or 1)
    made = {
        "trained encoder": vectors_of(encoder, (_opened(row, corpus) for row in rows)),
        "TF-IDF": tfidf([_text(row) for row in rows]),
        "noise": vectors_of(encoder, _noise(len(rows))),
    }
    found = {}
    for name, vectors in made.items():
        codebook = fit_codebook(vectors, FitSettings(levels=2, size=SIZE), "benchmark")
        measured = purities(codebook.encode(vectors), codebook.size, labels, vectors)
        found[name] = {column: round(value, 3) for column, value in measured.items()}
        say(f"codes: {name}, {len(vectors):,} notes: {found[name]}")
    return found


def tfidf(texts: Sequence[str]) -> np.ndarray:
    """Return float32 (n, TFIDF_WIDTH): a drawn direction for each word, weighed by how rare it is, added and normalised."""
    words = [sorted(words_of(text)) for text in texts]
    frequency = Counter(word for some in words for word in some)
    known = {word: place for place, word in enumerate(sorted(frequency))}
    directions = np.random.default_rng(0).standard_normal((len(known), TFIDF_WIDTH), np.float32)
    vectors = np.zeros((len(texts), TFIDF_WIDTH), np.float32)
    for vector, some in zip(vectors, words, strict=True):
        for word in some:
            vector += math.log(len(texts) / frequency[word]) * directions[known[word]]
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _is_sound(truth: Row) -> bool:
    return truth["expected_reject"] is None and all(image["damage"] is None for image in truth["images"])


def _text(row: Row) -> str:
    return " ".join([row["title"], row["body"], *row["topics"]])


def _opened(row: Row, corpus: Path) -> Pair:
    images = tuple(NoteImage(image["uri"], image["ocr"]) for image in row["images"])
    note = Note(row["title"], row["body"], tuple(row["topics"]), images)
    return note, [Image.open(corpus / image.uri).convert("RGB") for image in images]


def _noise(count: int) -> Iterator[Pair]:
    random = np.random.default_rng(0)
    for _ in range(count):
        pixels = random.integers(256, size=(NOISE_SIDE, NOISE_SIDE, 3), dtype=np.uint8)
        yield Note(images=(NoteImage("noise"),)), [Image.fromarray(pixels)]
