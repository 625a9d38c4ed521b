"""The bilingual emoji as training sets: images in three styles, English and Chinese labels, 240 base emoji held out."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from uninote.media.images import to_image
from uninote.training.dataset.writer import write_training_set

HELD_OUT = 240
SIDE = 64
MAX_PIXELS = 1_000_000
Row = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """What is changed in the training split; the eval split is always the same.

    `shuffled` gives each image another emoji's texts; `replaced` takes the query image out of its note and puts its
    description in; `negatives` maps a text item to hard negatives among text items.
    """

    shuffled: bool = False
    replaced: bool = True
    negatives: dict[int, list[int]] | None = None


def read_emoji(folder: Path) -> tuple[list[Row], set[str]]:
    """Return the rows with an image, and the ids of the held-out base emoji, the same ones every time."""
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    whole = [row for row in rows if not row["base_id"] and row["title_zh"] and len(row["images"]) == 3]
    held = {row["item_id"] for row in random.Random(0).sample(whole, HELD_OUT)}
    # skin tones of a held-out emoji are in neither split: they would be its near-duplicates
    return [row for row in rows if row["images"] and (row["base_id"] not in held or not row["base_id"])], held


def texts_of(rows: Sequence[Row], held: set[str]) -> list[str]:
    """Return the texts of the training split, for a vocabulary."""
    kept = [row for row in rows if row["item_id"] not in held]
    english = [" ".join([row["title"], *row["tags"]]) for row in kept]
    return english + [" ".join([row["title_zh"], *row["tags_zh"]]) for row in kept if row["title_zh"]]


def write_emoji_set(folder: Path, source: Path, variant: Variant) -> None:
    """Write the training set of `variant`."""
    rows, held = read_emoji(source)
    builder = _Builder(source, variant)
    for row in rows:
        builder.add(row, "eval" if row["item_id"] in held else "train")
    if variant.shuffled:
        builder.shuffle()
    manifest = {"source": "emoji_multilingual", "held_out": HELD_OUT, "shuffled": variant.shuffled}
    write_training_set(folder, builder.tables, manifest)


class _Builder:
    """Collects the tables row by row."""

    def __init__(self, source: Path, variant: Variant) -> None:
        self.tables: dict[str, list[Row]] = {"items": [], "images": [], "examples": [], "ranked": []}
        self._source, self._variant = source, variant
        self._groups: dict[str, int] = {}
        self._shared: Row = {}

    def add(self, row: Row, split: str) -> None:
        """Add one emoji: its images, texts and notes, and the examples between them."""
        group = self._groups.setdefault(row["base_id"] or row["item_id"], len(self._groups))
        self._shared = {"note_id": row["item_id"], "group": group, "split": split}
        digests = [self._image(name) for name in row["images"]]
        images = [self._item("image", images=digests[i : i + 1]) for i in range(len(digests))]
        english = self._item("text", title=row["title"], topics=row["tags"])
        note = self._item("note", title=row["title"], topics=row["tags"])
        chinese = self._item("text", title=row["title_zh"], topics=row["tags_zh"]) if row["title_zh"] else None
        is_eval = split == "eval"
        for image in images[:1] if is_eval else images:
            for text in [english] if is_eval or chinese is None else [english, chinese]:
                self._example("image_to_text", image, text)
                self._example("text_to_image", text, image)
        if chinese is not None:
            self._example("text_to_note", chinese, note)
            self._example("note_to_text", note, chinese)
        self._whole_note(row, images, digests, is_eval)

    def shuffle(self) -> None:
        """Pair each training image with the texts of another emoji."""
        pairs = [row for row in self.tables["examples"] if row["split"] == "train" and "image" in row["strategy"]]
        dice = random.Random(1)
        for strategy, side in (("image_to_text", "positive"), ("text_to_image", "query")):
            rows = [row for row in pairs if row["strategy"] == strategy]
            texts = [row[side] for row in rows]
            dice.shuffle(texts)
            for row, text in zip(rows, texts, strict=True):
                row[side] = text

    def _whole_note(self, row: Row, images: list[int], digests: list[str], is_eval: bool) -> None:
        others = digests[1:]
        described = {"title": row["title"], "topics": row["tags"]}
        if not others:
            return
        if is_eval:
            target = self._item("note", images=others)
        elif self._variant.replaced:
            target = self._item("note", images=others, **described)
        else:
            target = self._item("note", images=digests)
        self._example("image_to_note", images[0], target)
        if len(digests) == 3:
            self._ranked(row, digests)

    def _ranked(self, row: Row, digests: list[str]) -> None:
        query = self._item("note", title=row["title"], images=digests[:1])
        parts = [digests[1:], digests[1:2], []]  # falling: the other half with two, one and no more images
        relevant = [self._item("note", topics=row["tags"], title=row["title_zh"], images=part) for part in parts]
        self.tables["ranked"].append(
            {"query": query, "relevant": relevant, "noise": [], "split": self._shared["split"]}
        )
        lists = [one for one in self.tables["ranked"] if one["split"] == self._shared["split"]]
        if len(lists) > 1:  # noise: halves of the emoji before, which in this order is a related one
            lists[-1]["noise"] = [item for one in lists[-4:-1] for item in one["relevant"]]

    def _item(self, kind: str, **content: Any) -> int:
        number = len(self.tables["items"])
        images = [{"digest": digest, "ocr": ""} for digest in content.pop("images", [])]
        self.tables["items"].append({"item": number, "kind": kind, "images": images, **self._shared, **content})
        return number

    def _image(self, name: str) -> str:
        image = to_image((self._source / name).read_bytes(), MAX_PIXELS).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        self.tables["images"].append({"digest": name, "content": buffer.getvalue()})
        return name

    def _example(self, strategy: str, query: int, positive: int) -> None:
        negatives = (self._variant.negatives or {}).get(positive, []) if self._shared["split"] == "train" else []
        row = {"strategy": strategy, "query": query, "positive": positive, "negatives": negatives}
        self.tables["examples"].append({**row, "split": self._shared["split"]})
