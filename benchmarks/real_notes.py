"""What an encoder finds among real notes, beside TF-IDF and chance.

    python benchmarks/real_notes.py [ITEMS.jsonl ...] [--checkpoint e5] [--translation zh] [--most 5000]

Each line of a file has title, body, tags and category. Without files: the recipes and the emoji below UNINOTE_DATA. Measured:
whether a note's first neighbour has its category; whether a title finds its own body among ten; whether a note finds itself
among ten in the language of the fields title_zh and tags_zh. The last line on stdout is one JSON object: the least gain
over TF-IDF in class of the first neighbour [`over_tfidf`], the largest loss of the narrowest width [`narrow_loss`], the least
`title_to_body` and `translation`, at the full width, and `sets` with everything.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from peers_environment import DATA
from sklearn.feature_extraction.text import TfidfVectorizer

from uninote.demo.workspace import demo_checkpoint
from uninote.model.compute.batching import token_batches
from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import AUTO, Encoder, describe, kind_of, load_encoder
from uninote.model.input.text import text_of
from uninote.notes.note import Note
from uninote.vectors.widths import truncate

FOUND_AMONG = 10
SETS = ("howtocook_zh", "emoji_multilingual")


def vectors_of(encoder: Encoder, notes: list[Note]) -> np.ndarray:
    """Return float32 (n, full width)."""
    prepared = [encoder.prepare(note, []) for note in notes]
    vectors = np.empty((len(notes), encoder.full_width), dtype=np.float32)
    for batch in token_batches([one.num_tokens for one in prepared], 8192):
        vectors[batch] = encoder.embed([prepared[position] for position in batch])
    return vectors


def first_has_label(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of rows whose best other row has their label."""
    others = scores.copy()
    np.fill_diagonal(others, -np.inf)
    return float((labels[others.argmax(axis=1)] == labels).mean())


def finds_itself(scores: np.ndarray) -> float:
    """Return the share of rows whose own column is among the ten best."""
    better = (scores > np.diag(scores)[:, None]).sum(axis=1)
    return float((better < FOUND_AMONG).mean())


def lexical(rows: list[Note], columns: list[Note]) -> np.ndarray:
    """Return the cosines of TF-IDF over runs of one to three characters."""
    texts = [text_of(note) for note in rows]
    others = [text_of(note) for note in columns]
    words = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True).fit(texts + others)
    scores: np.ndarray = (words.transform(texts) @ words.transform(others).T).toarray()
    return scores


def by_width(encoder: Encoder, rows: np.ndarray, columns: np.ndarray, measure: Any) -> dict[str, float]:
    """Return what `measure` says of the cosines at each width of the encoder."""
    found = {}
    for width in encoder.widths:
        found[str(width)] = round(measure(truncate(rows, width) @ truncate(columns, width).T), 3)
    return found


def compared(encoder: Encoder, rows: list[Note], columns: list[Note], measure: Any) -> dict[str, Any]:
    """Return a measure of the encoder at each width, and of TF-IDF."""
    vectors = vectors_of(encoder, rows)
    others = vectors if columns is rows else vectors_of(encoder, columns)
    return {"encoder": by_width(encoder, vectors, others, measure), "tfidf": round(measure(lexical(rows, columns)), 3)}


def main() -> None:
    """Measure each file of notes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", type=Path, nargs="*", default=[DATA / name / "items.jsonl" for name in SETS])
    parser.add_argument("--checkpoint", default="e5", help="e5, demo, or a folder")
    parser.add_argument("--translation", default="zh", help="suffix of the fields in another language")
    parser.add_argument("--most", type=int, default=5000, help="so many notes of a file at most, the first ones")
    options = parser.parse_args()
    ours = {"e5": e5_folder, "demo": demo_checkpoint}
    folder = ours[options.checkpoint]() if options.checkpoint in ours else Path(options.checkpoint)
    encoder = load_encoder(folder, kind_of(folder), threads=1)
    sets = {}
    for items in options.items:
        rows = [json.loads(line) for line in items.read_text(encoding="utf-8").splitlines()][: options.most]
        sets[items.parent.name] = measured(encoder, rows, options.translation)
    print(json.dumps({"generation": describe(AUTO, folder).generation} | worst(encoder, sets) | {"sets": sets}))


def worst(encoder: Encoder, sets: dict[str, Any]) -> dict[str, float]:
    """Return the worst of each measure over the sets; a measure that no set has the fields for is left out."""
    whole, narrow = str(max(encoder.widths)), str(min(encoder.widths))
    first = [found["first_neighbour"] for found in sets.values()]
    figures = {
        "over_tfidf": min(one["encoder"][whole] - one["tfidf"] for one in first),
        "narrow_loss": max(one["encoder"][whole] - one["encoder"][narrow] for one in first),
    }
    for measure in ("title_to_body", "translation"):
        values = [found[measure]["encoder"][whole] for found in sets.values() if measure in found]
        if values:
            figures[measure] = min(values)
    return {name: round(value, 3) for name, value in figures.items()}


def measured(encoder: Encoder, rows: list[dict[str, Any]], translation: str) -> dict[str, Any]:
    """Return all measures that the rows have the fields for."""
    labelled = [row for row in rows if row.get("category")]
    labels = np.array([row["category"] for row in labelled])
    shares = np.unique(labels, return_counts=True)[1] / max(1, len(labels))
    notes = [Note(row["title"], row.get("body") or "", tuple(row.get("tags") or ())) for row in labelled]
    found: dict[str, Any] = {
        "notes": len(rows),
        "labelled": len(labelled),
        "chance": round(float((shares**2).sum()), 3),
    }
    found["first_neighbour"] = compared(encoder, notes, notes, lambda scores: first_has_label(scores, labels))
    whole = [row for row in rows if row["title"] and row.get("body")]
    if whole:
        titles = [Note(row["title"]) for row in whole]
        found["title_to_body"] = compared(encoder, titles, [Note(body=row["body"]) for row in whole], finds_itself)
    both = [row for row in rows if row.get(f"title_{translation}")]
    if both:
        own = [Note(row["title"], "", tuple(row.get("tags") or ())) for row in both]
        other = [Note(row[f"title_{translation}"], "", tuple(row.get(f"tags_{translation}") or ())) for row in both]
        found["translation"] = compared(encoder, own, other, finds_itself)
    return found


if __name__ == "__main__":
    main()
