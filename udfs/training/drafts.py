"""Notes to drafts inside executors: what each gives to a training set, before items have numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from udfs.arrow import ArrowMap
from udfs.training.training_set import read_source
from uninote.training.dataset.schemas import EVAL, ITEMS, TRAIN
from uninote.training.from_notes.assembly import draft_of, examples_and_halves
from uninote.training.from_notes.examples import Making
from uninote.training.from_notes.leaks import shown_digests
from uninote.training.from_notes.note_rows import content_of
from uninote.training.from_notes.soft_scores import element_texts, stand_ins_of

SHOWN = ("kind", "title", "body", "topics", "images", "described", "asked")
_CONTENT = pa.struct(
    [("mark", pa.string()), *(ITEMS.field(name) for name in SHOWN), ("elements", pa.list_(pa.string()))]
)
_EXAMPLE = pa.struct(
    [("strategy", pa.string()), ("query", pa.int32()), ("positive", pa.int32()), ("by_rule", pa.int32())]
)
_HALVES = pa.struct([("query", pa.int32()), ("relevant", pa.list_(pa.int32()))])
DRAFTS = pa.schema(
    [
        pa.field("note_id", pa.string()),
        pa.field("group", pa.int64()),
        pa.field("split", pa.string()),
        pa.field("contents", pa.list_(_CONTENT)),
        pa.field("examples", pa.list_(_EXAMPLE)),
        pa.field("halves", _HALVES),
        pa.field("shown", pa.list_(pa.string())),
    ]
)
"""One note a row: `examples` and `halves` name places in `contents`; `halves` null where there are none; `shown` digests.

`elements` of a content as `element_texts` has them; none where no teacher asks for them.
"""


def make_drafts(making: Making, teacher_sees: bool | None) -> ArrowMap:
    """Map rows of (note_id, note, group, split), `note` as in SOURCES, to DRAFTS. Notes that give nothing have no row.

    Contents of the training split have their elements, with texts in the place of images where the teacher sees none;
    `teacher_sees` null: there is no teacher.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            drafts = []
            for row in batch.to_pylist():
                draft = _draft(row, making, teacher_sees)
                if draft["contents"]:
                    drafts.append(draft)
            yield pa.RecordBatch.from_pylist(drafts, schema=DRAFTS)

    return run


def _draft(row: Mapping[str, Any], making: Making, teacher_sees: bool | None) -> dict[str, Any]:
    # Titles are for measuring alone: what is trained on depends on captions, images and OCR, as it always did.
    own = replace(making, held_out=row["split"] == EVAL)
    note = read_source(row["note"])
    draft = draft_of(examples_and_halves(note, own))
    contents = list(map(content_of, draft["contents"]))
    is_taught = teacher_sees is not None and row["split"] == TRAIN
    stand_ins = None if teacher_sees else stand_ins_of(note)
    for content, shown in zip(draft["contents"], contents, strict=True):
        content["elements"] = element_texts(shown, stand_ins) if is_taught else []
    place = {name: row[name] for name in ("note_id", "group", "split")}
    return {**place, **draft, "shown": shown_digests(contents)}
