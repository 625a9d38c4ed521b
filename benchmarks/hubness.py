"""What a correction of hubs is worth in a search: skewness of k-occurrences and recall, before and after.

    python benchmarks/hubness.py

Queries are the titles of notes, which ask for the rest of their note (its body and tags); by the default encoder. Half of the
queries are the bank, the other half is measured, each against the best CANDIDATES of all notes, as searches do. Of each score
is taken off what its note scores with the bank of queries, with one of 1,000 notes, or half of either (dual inverted softmax;
DBNorm), as log-mean-exp at a temperature (uninote/search/hubness.py). The last line on stdout is one JSON object: the least
gain in recall@10 over the sets, in points, at the temperature of searches, by the bank of queries [`gain_queries`] and by both
[`gain_both`]; the largest skewness left over skewness before, by the bank of queries [`skewness_left`]; milliseconds of the
correction of one query's candidates by a bank of 2,000 [`milliseconds`]; and `sets`, with all temperatures, and at that of
searches several numbers of candidates and sizes of the bank.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers_environment import DATA
from real_notes import SETS
from real_notes import vectors_of as embedded

from uninote.config.sections.index import SearchConfig
from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import Encoder, kind_of, load_encoder
from uninote.notes.note import Note
from uninote.search.hubness import hubness, log_mean_exp, skewness

K = 10
BANK = 1_000
TEMPERATURES = (0.01, 0.02, 0.05, 0.1)
FIXED = SearchConfig().hubness_temperature
CANDIDATES = K * SearchConfig(hubness="queries").depth
DEPTHS = (40, 80, 200, 1_000)
SIZES = (50, 100, 200, 500, 1_000, 2_000)
TIMED = 2_000  # queries of the bank that is timed


def measured(
    scores: np.ndarray, wanted: np.ndarray, correction: np.ndarray, candidates: int = CANDIDATES
) -> dict[str, float]:
    """Return recall@K of what is `wanted` (n,) and the skewness, of scores (n, notes) less a correction (notes,)."""
    found = np.argsort(-scores, axis=1)[:, :candidates]
    corrected = np.take_along_axis(scores, found, axis=1) - correction[found]
    best = np.take_along_axis(found, np.argsort(-corrected, axis=1)[:, :K], axis=1)
    counts = np.bincount(best.ravel(), minlength=scores.shape[1])
    return {
        "recall": round(float((best == wanted[:, None]).any(axis=1).mean()), 4),
        "first": round(float((best[:, 0] == wanted).mean()), 4),
        "skewness": round(skewness(counts), 3),
    }


def of_set(queries: np.ndarray, notes: np.ndarray) -> dict[str, Any]:
    """Return figures of queries, each of which asks for the note of its place."""
    order = np.random.default_rng(0).permutation(len(queries))
    bank, asked = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    gallery = np.sort(np.random.default_rng(1).permutation(len(notes))[:BANK])
    scores = queries[asked] @ notes.T
    by_notes = notes @ notes[gallery].T
    # A note is near to itself whatever it is near to.
    by_notes[gallery, np.arange(len(gallery))] = by_notes.mean()
    found: dict[str, Any] = {"before": measured(scores, asked, np.zeros(len(notes)))}
    for temperature in TEMPERATURES:
        banks = [hubness(notes, queries[bank], temperature), log_mean_exp(by_notes, temperature)]
        ways = {"queries": banks[0], "notes": banks[1], "both": (banks[0] + banks[1]) / 2}
        found[str(temperature)] = {name: measured(scores, asked, one) for name, one in ways.items()}
    near = hubness(notes, queries[bank], FIXED)
    found["candidates"] = {depth: measured(scores, asked, near, depth) for depth in DEPTHS}
    drawn = np.random.default_rng(2).permutation(bank)
    sizes = [size for size in SIZES if size < len(bank)]
    found["bank"] = {size: measured(scores, asked, hubness(notes, queries[drawn[:size]], FIXED)) for size in sizes}
    return found


def milliseconds(width: int) -> float:
    """Return what the correction of CANDIDATES notes by a bank of TIMED queries takes, the least of ten times."""
    random = np.random.default_rng(0)
    notes, bank = (random.normal(size=(rows, width)).astype(np.float32) for rows in (CANDIDATES, TIMED))
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        hubness(notes / width, bank, FIXED)
        seconds.append(time.perf_counter() - started)
    return round(1000 * min(seconds), 2)


def titles_and_rest(encoder: Encoder, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of titles, and those of what else the notes have."""
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    titles = embedded(encoder, [Note(row["title"]) for row in rows])
    return titles, embedded(encoder, [Note("", row.get("body") or "", tuple(row.get("tags") or ())) for row in rows])


def main() -> None:
    """Measure each set."""
    checkpoint = e5_folder()
    encoder = load_encoder(checkpoint, kind_of(checkpoint), threads=1)
    sets = {name: of_set(*titles_and_rest(encoder, DATA / name)) for name in SETS}
    figures: dict[str, float] = {}
    for way in ("queries", "both"):
        gains = [one[str(FIXED)][way]["recall"] - one["before"]["recall"] for one in sets.values()]
        figures[f"gain_{way}"] = round(100 * min(gains), 2)
    left = [one[str(FIXED)]["queries"]["skewness"] / one["before"]["skewness"] for one in sets.values()]
    figures["skewness_left"] = round(max(left), 2)
    figures["milliseconds"] = milliseconds(encoder.full_width)
    print(json.dumps(figures | {"sets": sets}))


if __name__ == "__main__":
    main()
