"""What a correction of hubs is worth in a search: skewness of k-occurrences and recall, before and after.

    python benchmarks/hubness.py

Queries are the titles of notes, which ask for the rest of their note (its body and tags); by the default encoder. Half of the
queries are the bank, the other half is measured. Of each score is taken off what its note scores with the bank of queries, with
one of 1,000 notes, or half of either (dual inverted softmax; DBNorm), as log-mean-exp at a temperature. The last line on stdout
is one JSON object: the least gain in recall@10 over the sets, in points, at the temperature FIXED, by the bank of queries
[`gain_queries`] and by both [`gain_both`]; the largest skewness left over skewness before, by the bank of queries
[`skewness_left`]; and `sets`, with all temperatures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from peers_environment import DATA
from real_notes import SETS
from real_notes import vectors_of as embedded

from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import Encoder, kind_of, load_encoder
from uninote.notes.note import Note

K = 10
BANK = 1_000
TEMPERATURES = (0.01, 0.02, 0.05, 0.1)
FIXED = 0.05


def log_mean_exp(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return float64 (n,) of scores (m, n): by how much each note is near to a bank, in units of scores."""
    scaled = scores.astype(np.float64) / temperature
    most = scaled.max(axis=0)
    return np.asarray(temperature * (most + np.log(np.exp(scaled - most).mean(axis=0))))


def skewness(counts: np.ndarray) -> float:
    """Return the third standardised moment of how many lists each note is in."""
    apart = counts - counts.mean()
    return float((apart**3).mean() / max(1e-12, (apart**2).mean()) ** 1.5)


def measured(scores: np.ndarray, wanted: np.ndarray, correction: np.ndarray) -> dict[str, float]:
    """Return recall@K of what is `wanted` (n,) and the skewness, of scores (n, notes) less a correction (notes,)."""
    best = np.argsort(correction - scores, axis=1)[:, :K]
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
    by_queries = queries[bank] @ notes.T
    by_notes = notes[gallery] @ notes.T
    # A note is near to itself whatever it is near to.
    by_notes[np.arange(len(gallery)), gallery] = by_notes.mean()
    found: dict[str, Any] = {"before": measured(scores, asked, np.zeros(len(notes)))}
    for temperature in TEMPERATURES:
        banks = [log_mean_exp(one, temperature) for one in (by_queries, by_notes)]
        ways = {"queries": banks[0], "notes": banks[1], "both": (banks[0] + banks[1]) / 2}
        found[str(temperature)] = {name: measured(scores, asked, one) for name, one in ways.items()}
    return found


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
    print(json.dumps(figures | {"sets": sets}))


if __name__ == "__main__":
    main()
