"""Examples as a teacher scores them: items taken apart into elements, what is asked, and what was found, put in place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from uninote.training.dataset.strategies import IMAGE
from uninote.training.from_notes.note_rows import Content, SourceNote, elements_of, text_content

UNSCORED = "unscored"
WITHOUT_SCORES = "without_scores"
WITHOUT_NEGATIVES = "without_negatives"

# What names an example: `by_rule` is NO_ITEM where it has no negative by rule.
EXAMPLE = [
    pa.field("strategy", pa.string()),
    pa.field("query", pa.int64()),
    pa.field("positive", pa.int64()),
    pa.field("by_rule", pa.int64()),
]
QUESTIONS = pa.schema(
    [
        *EXAMPLE,
        pa.field("kind", pa.string()),
        pa.field("group", pa.int64()),
        pa.field("answers", pa.list_(pa.int64())),
        pa.field("mark", pa.int64()),
        pa.field("query_elements", pa.list_(pa.int64())),
        pa.field("positive_elements", pa.list_(pa.int64())),
        pa.field("rule_elements", pa.list_(pa.int64())),
    ]
)
"""One example a row: the elements of its items, null for no negative by rule. Its pool are all right answers of that `kind`.

`group` is the query's; `answers` are the groups of all its right answers, none where the query's is the only one.
"""

ANSWERS = pa.schema(
    [
        *EXAMPLE,
        pa.field("positive_score", pa.float32()),
        pa.field("rule_score", pa.float32()),
        pa.field("negatives", pa.list_(pa.int64())),
        pa.field("negative_scores", pa.list_(pa.float32())),
        pa.field("inside", pa.int64()),
    ]
)
"""What was found: scores NaN where the teacher has no vector; `inside` candidates of the pool lie in the window."""


def stand_ins_of(note: SourceNote) -> dict[str, str]:
    """Return by digest what a teacher that sees no images reads in the place of a note's images: description, or OCR."""
    return {image.digest: image.caption.strip() or image.ocr.strip() for image in note.images}


def element_texts(content: Content, stand_ins: Mapping[str, str] | None = None) -> list[str]:
    """Return the elements of an item, each as the JSON of its row: equal elements are equal texts, and embedded once.

    With `stand_ins` an image is the text that stands in for it; one without a text is no element.
    """
    found = {}
    for part in elements_of(content):
        if stand_ins is not None and part.kind == IMAGE:
            ((digest, _),) = part.images
            text = stand_ins.get(digest)
            if not text:
                continue
            part = text_content(text)
        # A dictionary keeps the order, and each element once: a stand-in may be the item's own text.
        found[json.dumps(part.as_row(), sort_keys=True)] = True
    return list(found)


def with_scores(row: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return an example with its scores and at most `count` negatives, the one by rule first.

    `row` has the columns of ANSWERS, null where nothing was asked. All scores are null where one is missing, as a loss
    needs every one; the negative by rule stays.
    """
    by_rule = [row["by_rule"]] if row["by_rule"] >= 0 else []
    example = {"strategy": row["strategy"], "query": row["query"], "positive": row["positive"]}
    # The paper takes both kinds and does not say how many of each: one by rule, as a note has one for each image, is ours.
    negatives = (by_rule + (row["negatives"] or []))[:count]
    scores = ([row["rule_score"]] if by_rule else []) + (row["negative_scores"] or [])
    known = [row["positive_score"], *scores[:count]]
    if None in known or not np.isfinite(known).all():
        return example | {"negatives": by_rule, "positive_score": None, "negative_scores": None}
    return example | {"negatives": negatives, "positive_score": known[0], "negative_scores": known[1:]}
