"""Soft scores of examples, and their hard negatives, out of a teacher's vectors of single images and texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from uninote.training.dataset.strategies import Strategy
from uninote.training.from_notes.assembly import Assembly
from uninote.training.from_notes.negatives import Window, choose_negatives, max_sim, with_rule
from uninote.training.from_notes.note_rows import Content, elements_of
from uninote.vectors.top_k import best_columns

# Nearest ones of a query that are looked at.
_MOST_CANDIDATES = 64
_BLOCK = 1024


@dataclass(frozen=True)
class Elements:
    """The single images, OCR strings and texts of items: `contents`, rows of item columns, and each item's own, by number."""

    contents: list[dict[str, Any]]
    of_item: list[list[int]]

    @classmethod
    def of(cls, items: Sequence[Mapping[str, Any]]) -> Elements:
        """Take items apart."""
        numbers: dict[Content, int] = {}
        of_item = []
        for item in items:
            images = tuple(map(itemgetter("digest", "ocr"), item["images"]))
            content = Content(item["kind"], item["title"], item["body"], tuple(item["topics"]), images)
            own = []
            for part in elements_of(content):
                # An element that several items have is embedded once.
                own.append(numbers.setdefault(part, len(numbers)))
            of_item.append(own)
        return cls([part.as_row() for part in numbers], of_item)


def score_examples(assembly: Assembly, elements: Elements, vectors: np.ndarray, window: Window) -> None:
    """Give each example the scores of its positive and of its negatives, by rule and mined, in place.

    `vectors` float32 (elements, width), L2-normalised, NaN where the teacher had none; an example with such an element is
    taken out, since its loss needs every score. Candidates are items of the target kind in the same split and of another
    group; the nearest by the mean of their elements' vectors are scored by MaxSim.
    """
    # MaxSim cannot be looked up: the nearest by mean vectors are scored by it, 64 for each query.
    means = np.stack([_mean(vectors[parts]) for parts in elements.of_item])
    groups = np.array([item["group"] for item in assembly.items])
    scored = []
    for (strategy, split), examples in _by_strategy(assembly).items():
        gallery = _gallery(assembly, Strategy(strategy).target_kind, split, means)
        for start in range(0, len(examples), _BLOCK):
            some = examples[start : start + _BLOCK]
            near = _nearest(means, [one["query"] for one in some], gallery)
            for one, candidates in zip(some, near, strict=True):
                others = candidates[groups[candidates] != groups[one["query"]]]
                if _score(one, others, elements, vectors, window):
                    scored.append(one)
    assembly.examples[:] = scored


def _score(
    one: dict[str, Any], candidates: np.ndarray, elements: Elements, vectors: np.ndarray, window: Window
) -> bool:
    """Fill in one example; say whether every score is known."""
    query = vectors[elements.of_item[one["query"]]]

    def scores(items: Sequence[int]) -> np.ndarray:
        found = np.empty(len(items), dtype=np.float32)
        for place, item in enumerate(items):
            found[place] = max_sim(query, vectors[elements.of_item[item]])
        return found

    positive = float(scores([one["positive"]])[0])
    mined = choose_negatives(candidates, scores(candidates.tolist()), positive, window)
    by_rule = one["negatives"][0] if one["negatives"] else None
    negatives = with_rule(mined, by_rule, window.count).tolist()
    one |= {"negatives": negatives, "positive_score": positive, "negative_scores": scores(negatives).tolist()}
    return bool(np.isfinite([positive, *one["negative_scores"]]).all())


def _by_strategy(assembly: Assembly) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in assembly.examples:
        found[one["strategy"], one["split"]].append(one)
    return found


def _gallery(assembly: Assembly, kind: str, split: str, means: np.ndarray) -> np.ndarray:
    """Return the numbers of the items that may be candidates: targets of some example, not a negative by rule."""
    targets = {one["positive"] for one in assembly.examples if one["split"] == split}
    numbers = []
    for item in sorted(targets):
        if assembly.items[item]["kind"] == kind and np.isfinite(means[item]).all():
            numbers.append(item)
    return np.array(numbers, dtype=np.int64)


def _nearest(means: np.ndarray, queries: Sequence[int], gallery: np.ndarray) -> list[np.ndarray]:
    """Return for each of `queries`, numbers of items, those of `gallery` that are nearest to it, nearest first."""
    if not len(gallery):
        return [gallery] * len(queries)
    # A query without a vector is near to nothing: its example is taken out later.
    scores = np.nan_to_num(means[queries], nan=0.0) @ means[gallery].T
    columns, _ = best_columns(scores, _MOST_CANDIDATES)
    return list(gallery[columns])


def _mean(vectors: np.ndarray) -> np.ndarray:
    total = vectors.sum(axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), dtype=np.float32)
