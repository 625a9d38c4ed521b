"""What confidences by a few judgments are worth, beside one global cosine, and what strangers' lists are left with.

    python benchmarks/confidence.py

Sets as in strength.py: 8,000 images of Fashion-MNIST as pixels, the emoji and the recipes as texts, a class in common as truth.
Of all pairs in exact top 20 lists 300 are drawn as `uninote judge` draws them, and a map is fitted; ten times. The last line on
stdout is one JSON object, `sets` with everything and, least or worst over the sets, means over the ten draws:

- `gain` and `gain_best`: precision of the best 10, 25, 50 and 75 % of all pairs by confidence, less that by the cosine, in
  points; of the best 10 and 25 % of Fashion-MNIST, where scales differ.
- `brier_gain_base` and `brier_gain_cosine`: Brier score on notes without a judged pair, gained over the base rate, and over a
  logistic curve of the cosine fitted to the same judgments; `brier_gain_low`: the lower end of the interval of the least
  of these, over notes.
- `ece`: calibration error on 3,000 held-out judgments of a map of 3,000, and `ece_300` of one of 300, each beside what a
  perfect map would show there.
- `others_empty`: of recipes among emoji, and of emoji among recipes, added one by one, the share whose lists are empty at the
  confidence that keeps 90 % of the related pairs. `strangers_empty`: of notes of a class that the corpus lacks, which
  may look like others; each class in turn is the one that lacks. `others_empty_cosine`, `strangers_empty_cosine`: at the cosine
  that keeps as many; `others_empty_best`, `strangers_empty_best`: lists whose best confidence is too low are empty, others
  whole, at the confidence that keeps as many.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from neighbour_sets import vectors_of
from peers_environment import DATA
from real_notes import SETS
from strength import IMAGES, SHARES, K, exact_lists, texts_of

from uninote.confidence.confidence_map import ConfidenceMap, fit_map
from uninote.confidence.features import features_of, gaps, mean_scores
from uninote.confidence.fitting import SCORE
from uninote.confidence.judged_pairs import weights_of
from uninote.confidence.measures import calibration_error, mean_by_note, perfect_error
from uninote.judgments.drawing import Strata, draw_places
from uninote.neighbours.background import BACKGROUND_NOTES, Background, FlatScores, strengths
from uninote.vectors.sampling import first_in_order

JUDGED, MANY, HELD_OUT = 300, 3_000, 3_000
DRAWS = 10
KEPT = 0.9  # of the related pairs, at the confidence at which strangers are looked at
MOST_STRANGERS = 200  # of a class


@dataclass(frozen=True)
class Pairs:
    """All pairs of a corpus' lists: `owners` int64, `ranks` from 1, `features` (n, 4), and whether both share a class."""

    owners: np.ndarray
    ranks: np.ndarray
    features: np.ndarray
    agree: np.ndarray

    def draw(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return places of pairs drawn to be judged, and their weights."""
        strata = Strata(self.ranks, self.features[:, 0], np.full(len(self.ranks), 0.5))
        places, probabilities = draw_places(strata, count, random)
        return places, weights_of(probabilities)

    def fit(self, places: np.ndarray, weights: np.ndarray, columns: list[int]) -> ConfidenceMap:
        """Return a map of some features."""
        return fit_map(self.features[np.ix_(places, columns)], self.agree[places], weights)


@dataclass(frozen=True)
class Corpus:
    """Vectors, the mean score of each row's own list, and the background of all."""

    vectors: np.ndarray
    means: np.ndarray
    sample: np.ndarray
    background: Background

    def features(self, lists: FlatScores, vectors: np.ndarray) -> np.ndarray:
        """Return the features of lists of rows of this corpus, whose owners have `vectors`."""
        values = strengths(lists, self.background.of_rows(vectors), self.sample, K)
        gap = gaps(lists.scores, lists.lengths, K)
        return features_of(values, lists.scores, self.means[lists.keys], gap)


ALL = [0, 1, 2, 3]


def opened(vectors: np.ndarray, labels: np.ndarray) -> tuple[Corpus, Pairs]:
    """Return a corpus and all pairs of its lists."""
    lists = exact_lists(vectors)
    sample = first_in_order(np.arange(len(vectors)), min(BACKGROUND_NOTES, len(vectors)), seed=0)
    means = mean_scores(lists.scores, lists.lengths, K)
    corpus = Corpus(vectors, means, sample, Background.of(sample, vectors[sample]))
    owners = np.repeat(lists.owners, K)
    agree = (labels[owners] == labels[lists.keys]).astype(np.float64)
    ranks = np.tile(np.arange(1, K + 1), len(vectors))
    return corpus, Pairs(owners, ranks, corpus.features(lists, vectors), agree)


def precision(said: np.ndarray, agree: np.ndarray) -> np.ndarray:
    """Return the share of related pairs among the best SHARES of all."""
    ranked = agree[np.argsort(-said, kind="stable")]
    return np.array([ranked[: int(share * len(ranked))].mean() for share in SHARES])


def of_draw(pairs: Pairs, seed: int) -> dict[str, Any]:
    """Return the figures of one draw of judgments."""
    random = np.random.default_rng(seed)
    places, weights = pairs.draw(JUDGED, random)
    ours, cosine = pairs.fit(places, weights, ALL), pairs.fit(places, weights, [SCORE])
    said = ours.of(pairs.features)
    rest = np.flatnonzero(~np.isin(pairs.owners, pairs.owners[places]))
    loss = (said[rest] - pairs.agree[rest]) ** 2
    others = {
        "base": np.full(len(rest), np.average(pairs.agree[places], weights=weights)),
        "cosine": cosine.of(pairs.features[:, [SCORE]])[rest],
    }
    notes = pairs.owners[rest]
    found: dict[str, Any] = {"precision": precision(said, pairs.agree)}
    for name, other in others.items():
        gained = mean_by_note((other - pairs.agree[rest]) ** 2 - loss, np.ones(len(rest)), notes)
        found |= {f"brier_gain_{name}": gained.value, f"brier_gain_{name}_low": gained.low}
    return found | _calibration(pairs, ours, places, random, "_300")


def _calibration(
    pairs: Pairs, found: ConfidenceMap, judged: np.ndarray, random: np.random.Generator, end: str
) -> dict[str, float]:
    """Return the calibration error on held-out judgments, of notes without a judged pair, and that of a perfect map."""
    rest = np.flatnonzero(~np.isin(pairs.owners, pairs.owners[judged]))
    held = rest[random.choice(len(rest), min(HELD_OUT, len(rest)), replace=False)] if len(rest) else rest
    if len(held) < HELD_OUT:
        return {}
    said, ones = found.of(pairs.features[held]), np.ones(len(held))
    return {
        f"ece{end}": calibration_error(said, pairs.agree[held], ones),
        f"ece_perfect{end}": perfect_error(said, ones),
    }


def of_many(pairs: Pairs, seed: int) -> dict[str, float]:
    """Return the calibration of a map of MANY judgments: of half the notes, so that the others are left to look at."""
    random = np.random.default_rng(seed)
    half = np.flatnonzero(random.permutation(pairs.owners.max() + 1)[pairs.owners] % 2)
    judged = half[random.choice(len(half), min(MANY, len(half)), replace=False)]
    found = pairs.fit(judged, np.ones(len(judged)), ALL)
    rest = np.flatnonzero(~np.isin(pairs.owners, pairs.owners[half]))
    held = rest[random.choice(len(rest), min(HELD_OUT, len(rest)), replace=False)]
    said, ones = found.of(pairs.features[held]), np.ones(len(held))
    error = calibration_error(said, pairs.agree[held], ones)
    return {"ece": error, "ece_perfect": perfect_error(said, ones), "held_out": len(held)}


def strangers_of_classes(vectors: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the share of strangers whose lists are empty, by each way to cut, over all classes in turn."""
    empty: dict[str, list[np.ndarray]] = {"confidence": [], "cosine": [], "best": []}
    for seed, label in enumerate(np.unique(labels)):
        is_stranger = labels == label
        known = np.flatnonzero(~is_stranger)
        added = np.random.default_rng(seed).permutation(np.flatnonzero(is_stranger))[:MOST_STRANGERS]
        for name, found in empty_lists(vectors[known], labels[known], vectors[added], seed).items():
            empty[name].append(found)
    return {f"strangers_empty_{name}": float(np.concatenate(parts).mean()) for name, parts in empty.items()}


def empty_lists(known: np.ndarray, labels: np.ndarray, added: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return bool (n,) by each way to cut: whether the lists of `added` vectors are empty in the corpus `known`."""
    corpus, pairs = opened(known, labels)
    places, weights = pairs.draw(JUDGED, np.random.default_rng(seed))
    found = pairs.fit(places, weights, ALL)
    theirs = corpus.features(_nearest(corpus, added), added)
    empty = {}
    for name, of in (("confidence", found.of), ("cosine", lambda features: features[:, SCORE])):
        least = np.quantile(of(pairs.features)[pairs.agree > 0], 1 - KEPT)
        empty[name] = (of(theirs).reshape(len(added), K) < least).all(axis=1)
    best = found.of(pairs.features).reshape(-1, K).max(axis=1)
    least = np.quantile(np.repeat(best, K)[pairs.agree > 0], 1 - KEPT)
    empty["best"] = found.of(theirs).reshape(len(added), K).max(axis=1) < least
    return empty


def _nearest(corpus: Corpus, vectors: np.ndarray) -> FlatScores:
    """Return the lists of rows that are no part of the corpus: each is added alone."""
    scores = vectors @ corpus.vectors.T
    best = np.argsort(-scores, axis=1)[:, :K]
    found = np.take_along_axis(scores, best, axis=1).astype(np.float32)
    # Keys that no row has: a stranger is no part of any background.
    owners = len(corpus.vectors) + np.arange(len(vectors))
    return FlatScores(owners, best.ravel(), found.ravel(), np.full(len(vectors), K))


def measured(vectors: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return all figures of one set."""
    _, pairs = opened(vectors, labels)
    draws = [of_draw(pairs, seed) for seed in range(DRAWS)]
    # Of few notes hardly enough are left to hold out.
    names = [name for name in draws[0] if all(name in one for one in draws)]
    found = {name: np.mean([one[name] for one in draws], axis=0) for name in names}
    cosine = precision(pairs.features[:, SCORE], pairs.agree)
    found |= {"precision_cosine": cosine, "gain": 100 * (found["precision"] - cosine)}
    many = [of_many(pairs, seed) for seed in range(DRAWS)]
    found |= {name: np.mean([one[name] for one in many]) for name in many[0]}
    found |= strangers_of_classes(vectors, labels)
    return {"notes": len(vectors)} | {name: np.round(value, 4).tolist() for name, value in found.items()}


def main() -> None:
    """Measure each set."""
    pictures = np.load(DATA / "fashion_mnist" / "fashion_mnist.npz")
    sets = {"fashion": measured(vectors_of("b", DATA)[:IMAGES], pictures["y_train"][:IMAGES])}
    texts = {name: texts_of(DATA / name) for name in SETS}
    for name, other in (SETS, SETS[::-1]):
        sets[name] = measured(*texts[name])
        strange = texts[other][0][: 5 * MOST_STRANGERS]
        for way, found in empty_lists(*texts[name], strange, 0).items():
            sets[name][f"others_empty_{way}"] = round(float(found.mean()), 4)
    every = list(sets.values())
    figures = {
        "gain": min(min(one["gain"]) for one in every),
        "gain_best": min(sets["fashion"]["gain"][:2]),
        "brier_gain_base": min(one["brier_gain_base"] for one in every),
        "brier_gain_cosine": min(one["brier_gain_cosine"] for one in every),
        "brier_gain_low": min(min(one["brier_gain_base_low"], one["brier_gain_cosine_low"]) for one in every),
        "ece": max(one["ece"] for one in every),
        "ece_300": max(one["ece_300"] for one in every if "ece_300" in one),
        "others_empty": min(one["others_empty_confidence"] for one in every if "others_empty_confidence" in one),
        "others_empty_cosine": min(one["others_empty_cosine"] for one in every if "others_empty_cosine" in one),
        "others_empty_best": min(one["others_empty_best"] for one in every if "others_empty_best" in one),
        "strangers_empty": min(one["strangers_empty_confidence"] for one in every),
        "strangers_empty_best": min(one["strangers_empty_best"] for one in every),
        "strangers_empty_cosine": min(one["strangers_empty_cosine"] for one in every),
    }
    print(json.dumps(figures | {"sets": sets, "shares": SHARES}))


if __name__ == "__main__":
    main()
