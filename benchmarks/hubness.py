"""What a correction of hubs is worth in a search: skewness of k-occurrences and recall, before and after.

    python benchmarks/hubness.py

Queries are the titles of notes, which ask for the rest of their note (its body and tags), and of the emoji their Chinese
titles, which ask for the note; by the default encoder. Half of the queries are the bank, the other half is measured. Of each
score is taken off what its note scores with the bank of queries, with one of 1,000 notes, or half of either (dual inverted
softmax; DBNorm), as log-mean-exp at a temperature. The last line on stdout is one JSON object: over the sets, the least gain in
recall@10 by both banks at the best of the temperatures [`recall_gain`], in points, the same at one temperature for all
[`recall_gain_fixed`], and the largest skewness left over skewness before, there [`skewness_left`], and `sets`.
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
FIXED = 0.02


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


def sets_of(encoder: Encoder, folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return (queries, notes) by the name of what is asked for."""
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    titles = embedded(encoder, [Note(row["title"]) for row in rows])
    rest = embedded(encoder, [Note("", row.get("body") or "", tuple(row.get("tags") or ())) for row in rows])
    found = {f"{folder.name}: rest": (titles, rest)}
    if all(row.get("title_zh") for row in rows):
        whole = embedded(
            encoder, [Note(row["title"], row.get("body") or "", tuple(row.get("tags") or ())) for row in rows]
        )
        found[f"{folder.name}: Chinese"] = (embedded(encoder, [Note(row["title_zh"]) for row in rows]), whole)
    return found


def main() -> None:
    """Measure each set."""
    checkpoint = e5_folder()
    encoder = load_encoder(checkpoint, kind_of(checkpoint), threads=1)
    sets: dict[str, Any] = {}
    for name in SETS:
        sets |= {one: of_set(*pair) for one, pair in sets_of(encoder, DATA / name).items()}

    def gain(found: dict[str, Any], temperature: float) -> float:
        return 100 * (found[str(temperature)]["both"]["recall"] - found["before"]["recall"])

    left = [one[str(FIXED)]["both"]["skewness"] / one["before"]["skewness"] for one in sets.values()]
    figures = {
        "recall_gain": round(min(max(gain(one, each) for each in TEMPERATURES) for one in sets.values()), 2),
        "recall_gain_fixed": round(min(gain(one, FIXED) for one in sets.values()), 2),
        "skewness_left": round(max(left), 2),
    }
    print(json.dumps(figures | {"sets": sets}))


if __name__ == "__main__":
    main()
