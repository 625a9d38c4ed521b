"""Emoji as notes of three pictures with Chinese texts and English descriptions: what modal replacement and the rule change.

One set with the query image left in its note, one with its description in its place; both have the negative by rule, which an
arm uses or not. What is held out is the same in both: notes without the query image, with its description and without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emoji_set import read_emoji
from learning_teacher import small_image

from uninote.training.dataset.schemas import EVAL, TRAIN
from uninote.training.dataset.strategies import Strategy
from uninote.training.dataset.writer import write_training_set
from uninote.training.from_notes.examples import Example, Making, examples_of
from uninote.training.from_notes.note_rows import Content, SourceImage, SourceNote

KINDS = (Strategy.IMAGE_TO_TEXT, Strategy.TEXT_TO_IMAGE, Strategy.IMAGE_TO_NOTE)
Row = dict[str, Any]


def write_emoji_notes(folder: Path, source: Path, is_replaced: bool) -> None:
    """Write the set, in whose training split query images are replaced by their description, or stay."""
    rows, held = read_emoji(source)
    tables: dict[str, list[Row]] = {"items": [], "images": [], "examples": [], "ranked": []}
    whole = [row for row in rows if not row["base_id"] and row["title_zh"]]
    for group, row in enumerate(whole):
        is_held = row["item_id"] in held
        shared = {"note_id": row["item_id"], "group": group, "split": EVAL if is_held else TRAIN}
        making = Making(replace=is_replaced or is_held, held_out=is_held)
        examples = [one for one in examples_of(_note(row), making) if one.strategy in KINDS]
        tables["images"] += [small_image(source, name) for name in row["images"]]
        _add(tables, examples, shared)
    write_training_set(folder, tables, {"counts": {}, "source": "emoji_multilingual as notes"})


def _note(row: Row) -> SourceNote:
    caption = " ".join([row["title"], *row["tags"]])
    images = tuple(SourceImage(name, "", caption) for name in row["images"])
    return SourceNote(row["item_id"], row["title_zh"], topics=tuple(row["tags_zh"]), images=images)


def _add(tables: dict[str, list[Row]], examples: list[Example], shared: Row) -> None:
    numbers: dict[Content, int] = {}

    def number(content: Content) -> int:
        if content not in numbers:
            numbers[content] = len(tables["items"])
            tables["items"].append({"item": numbers[content], **content.as_row(), **shared})
        return numbers[content]

    for one in examples:
        ends = {"query": number(one.query), "positive": number(one.positive)}
        negatives = [] if one.by_rule is None or shared["split"] == EVAL else [number(one.by_rule)]
        row = {"strategy": one.strategy.value, "negatives": negatives, "split": shared["split"]}
        tables["examples"].append(row | ends)
