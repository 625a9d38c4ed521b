"""Examples as a teacher scores them: items taken apart into elements, pools of candidates, and what was found, put in place."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from uninote.training.dataset.schemas import TRAIN
from uninote.training.dataset.strategies import Strategy
from uninote.training.from_notes.assembly import Assembly
from uninote.training.from_notes.mining import Composites
from uninote.training.from_notes.note_rows import Content, elements_of

UNSCORED = "unscored"
WITHOUT_NEGATIVES = "without_negatives"
_SHOWN = ("kind", "title", "body", "topics", "images", "described")

QUESTIONS = pa.schema(
    [
        pa.field("pool", pa.string()),
        pa.field("example", pa.int64()),
        pa.field("group", pa.int64()),
        pa.field("mark", pa.int64()),
        pa.field("query", pa.list_(pa.int64())),
        pa.field("positive", pa.list_(pa.int64())),
        pa.field("by_rule", pa.list_(pa.int64())),
    ]
)
"""One example a row: the elements of its items, `by_rule` null where it has no negative by rule, and the name of its `pool`."""

ANSWERS = pa.schema(
    [
        pa.field("example", pa.int64()),
        pa.field("positive_score", pa.float32()),
        pa.field("rule_score", pa.float32()),
        pa.field("negatives", pa.list_(pa.int64())),
        pa.field("negative_scores", pa.list_(pa.float32())),
        pa.field("inside", pa.int64()),
    ]
)
"""What was found: scores NaN where the teacher has no vector; `inside` candidates of the pool lie in the window."""


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
            texts = item["kind"], item["title"], item["body"], tuple(item["topics"])
            content = Content(*texts, images, item["described"])
            own = []
            for part in elements_of(content):
                # An element that several items have is embedded once.
                own.append(numbers.setdefault(part, len(numbers)))
            of_item.append(own)
        return cls([part.as_row() for part in numbers], of_item)


def mark_of(item: Mapping[str, Any]) -> int:
    """Return 64 bits, signed, of a hash of what an item shows: the same whatever its number."""
    shown = json.dumps([item[name] for name in _SHOWN], sort_keys=True)
    return int.from_bytes(hashlib.sha256(shown.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


def pools_of(assembly: Assembly, elements: Elements) -> dict[str, Composites]:
    """Return the candidates of each strategy and split, by `pool` of QUESTIONS.

    They are what is a right answer of the same kind in the same split, no negatives by rule.
    """
    targets: dict[tuple[str, str], set[int]] = {}
    names = {}
    for one in assembly.examples:
        kind = (Strategy(one["strategy"]).target_kind, one["split"])
        names[_pool(one)] = kind
        targets.setdefault(kind, set()).add(one["positive"])
    of_kind = {kind: _composites(assembly, elements, sorted(found)) for kind, found in targets.items()}
    return {name: of_kind[kind] for name, kind in names.items()}


def _composites(assembly: Assembly, elements: Elements, numbers: Sequence[int]) -> Composites:
    items = [assembly.items[number] for number in numbers]
    groups = np.array([item["group"] for item in items], np.int64)
    marks = np.array(list(map(mark_of, items)), np.int64)
    return Composites.of(np.array(numbers, np.int64), groups, marks, [elements.of_item[number] for number in numbers])


def questions_of(assembly: Assembly, elements: Elements) -> pa.Table:
    """Return QUESTIONS, those of one pool beside each other."""
    rows = []
    for number, one in enumerate(assembly.examples):
        query = assembly.items[one["query"]]
        row = {
            "pool": _pool(one),
            "example": number,
            "group": query["group"],
            "mark": mark_of(query),
            "query": elements.of_item[one["query"]],
            "positive": elements.of_item[one["positive"]],
            "by_rule": elements.of_item[one["negatives"][0]] if one["negatives"] else None,
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, QUESTIONS).sort_by([("pool", "ascending"), ("example", "ascending")])


def take_scores(assembly: Assembly, answers: pa.Table, count: int) -> Counter[str]:
    """Give the examples their scores and at most `count` negatives, the one by rule first, in place.

    An example with an element that the teacher has no vector of is taken out, since its loss needs every score. Returns how
    many of a strategy were taken out, UNSCORED/<strategy>, and how many are without any negative,
    WITHOUT_NEGATIVES/<strategy>, both of the training split alone.
    """
    counts: Counter[str] = Counter()
    scored = []
    for answer in answers.sort_by("example").to_pylist():
        one = assembly.examples[answer["example"]]
        # The paper takes both kinds and does not say how many of each: one by rule, as a note has one for each image, is ours.
        negatives = (one["negatives"][:1] + answer["negatives"])[:count]
        by_rule = [answer["rule_score"]] if one["negatives"] else []
        scores = (by_rule + answer["negative_scores"])[:count]
        one |= {"negatives": negatives, "positive_score": answer["positive_score"], "negative_scores": scores}
        is_scored = bool(np.isfinite([answer["positive_score"], *scores]).all())
        if is_scored:
            scored.append(one)
        if one["split"] == TRAIN:
            counts[f"{UNSCORED}/{one['strategy']}"] += not is_scored
            counts[f"{WITHOUT_NEGATIVES}/{one['strategy']}"] += is_scored and not negatives
    assembly.examples[:] = scored
    return counts


def _pool(example: Mapping[str, Any]) -> str:
    return f"{example['strategy']}/{example['split']}"
