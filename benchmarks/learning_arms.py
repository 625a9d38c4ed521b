"""What learning.py compares, as data: an arm is a training set, a start, and the stages that train it one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

IMAGES = ("image_to_text", "text_to_image")
NOTES = ("image_to_note", "text_to_note", "note_to_image", "note_to_text")
READ = ("image_to_ocr", "ocr_to_image", "ocr_to_note")
NINE = (*IMAGES, *NOTES, *READ)
TEN = (*NINE, "note_to_note")
THREE = ("note_to_note", "text_to_note", "image_to_text")
# Those of conf/train_demo.yaml, and their turns.
SIX = ("image_to_text", "image_to_note", "text_to_note", "image_to_ocr", "ocr_to_note", "note_to_note")
TURNS = {"note_to_note": 3, "image_to_text": 2, "image_to_note": 2, "text_to_note": 2}
WHOLE, APART = "whole", "apart"
EMOJI, EMOJI_KEPT, EMOJI_REPLACED = "emoji", "emoji-kept", "emoji-replaced"
EMOJI_SETS = (EMOJI, EMOJI_KEPT, EMOJI_REPLACED)


@dataclass(frozen=True)
class Stage:
    """One call of the trainer, for a share of an arm's steps: `changes` to its settings, `contrastive` to that section."""

    share: float = 1.0
    changes: dict[str, Any] = field(default_factory=dict)
    contrastive: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """What is trained: `stages` on the set `data`, from the common start of that data; `seeds` are 0 and on.

    With `is_new` it starts at a new model. `steps` null are those of the command line.
    """

    data: str
    stages: tuple[Stage, ...]
    seeds: int = 1
    is_new: bool = False
    steps: int | None = None


def _ten(data: str, contrastive: dict[str, Any] | None = None, **changes: Any) -> Arm:
    settings = {"strategies": TEN, "negatives": 0, "turns": {"note_to_note": 3}} | (contrastive or {})
    return Arm(data, (Stage(1.0, changes, settings),))


def _six(contrastive: dict[str, Any], seeds: int = 3, **changes: Any) -> Arm:
    settings = {"strategies": SIX, "negatives": 0, "turns": TURNS} | contrastive
    return Arm(WHOLE, (Stage(1.0, {"hide_texts": 0.25} | changes, settings),), seeds)


def _pixels(side: int) -> Arm:
    turns = TURNS | {"image_to_ocr": 3}
    return _six({"turns": turns}, seeds=1, limits={"max_pixels": side * side})


def _signs(side: int) -> Arm:
    alone = {"strategies": ("image_to_ocr",), "negatives": 0}
    return Arm(WHOLE, (Stage(1.0, {"limits": {"max_pixels": side * side}}, alone),), steps=200)


def _replay(*families: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[Stage, ...]:
    """Return stages, each of a family of which a type has three turns where those replayed have one."""
    stages = []
    for own, replayed in families:
        turns = dict.fromkeys(own, 3)
        stages.append(Stage(1 / len(families), {}, {"strategies": (*own, *replayed), "turns": turns, "negatives": 0}))
    return tuple(stages)


def _emoji(contrastive: dict[str, Any]) -> Arm:
    return Arm(EMOJI, (Stage(1.0, {}, contrastive),), seeds=3)


def _new(contrastive: dict[str, Any]) -> Arm:
    return Arm(EMOJI, (Stage(1.0, {}, contrastive),), seeds=3, is_new=True, steps=150)


def _emoji_notes(data: str, negatives: int) -> Arm:
    settings = {"strategies": (*IMAGES, "image_to_note"), "negatives": negatives}
    return Arm(data, (Stage(1.0, {}, settings),), seeds=3)


def _ranked(rate: float) -> Arm:
    ranking = {"stage": "ranking", "learning_rate": rate, "batch": 8, "augment": False}
    return Arm(WHOLE, (Stage(1.0, ranking),), seeds=3, steps=30)


_STAGES = _replay((IMAGES, ()), (NOTES, IMAGES), (READ, (*IMAGES, *NOTES)), (("note_to_note",), NINE))
_IN_BATCH = {"negatives": 0}
_SOFT = {"loss": "symmetric_kl", "tau": 0.02, "in_batch": False}
ARMS = {
    "the start": Arm(WHOLE, ()),
    "three types": Arm(APART, (Stage(1.0, {}, {"strategies": THREE, "negatives": 0}),)),
    "ten types": _ten(APART),
    "stages with replay": Arm(APART, _STAGES),
    "ten, halves share images": _ten(WHOLE),
    "ten, halves share images, .3 hidden": _ten(WHOLE, hide_texts=0.3),
    "six types": _six({}),
    "six types, and the rule": _six({"negatives": 8}),
    "six types, 96 pixels": _pixels(96),
    "six types, 128 pixels": _pixels(128),
    "six types, 160 pixels": _pixels(160),
    "image to ocr alone, 96 pixels": _signs(96),
    "image to ocr alone, 128 pixels": _signs(128),
    "image to ocr alone, 160 pixels": _signs(160),
    "ranking, 1e-5": _ranked(1e-5),
    "ranking, 5e-5": _ranked(5e-5),
    "a new model, InfoNCE": _new(_IN_BATCH),
    "a new model, soft labels": _new(_SOFT),
    "InfoNCE": _emoji(_IN_BATCH),
    "InfoNCE, hard negatives too": _emoji({}),
    "InfoNCE of hard negatives alone": _emoji({"in_batch": False}),
    "soft labels": _emoji(_SOFT),
    "notes with the query image": _emoji_notes(EMOJI_KEPT, 0),
    "notes with the query image, and the rule": _emoji_notes(EMOJI_KEPT, 8),
    "modal replacement": _emoji_notes(EMOJI_REPLACED, 0),
    "modal replacement, and the rule": _emoji_notes(EMOJI_REPLACED, 8),
}
# What is compared where the command line names nothing, the later less its base.
COMPARED = {
    "soft labels": "InfoNCE",
    "InfoNCE, hard negatives too": "InfoNCE",
    "InfoNCE of hard negatives alone": "InfoNCE",
}
COMPARED_TOO = {
    "six types, and the rule": "six types",
    "a new model, soft labels": "a new model, InfoNCE",
    "notes with the query image, and the rule": "notes with the query image",
    "modal replacement": "notes with the query image",
    "modal replacement, and the rule": "modal replacement",
}
