"""Which search types an evaluation leaves out, and why."""

from __future__ import annotations

from uninote.training.dataset import TrainingSet
from uninote.training.dataset.schemas import EVAL, TRAIN
from uninote.training.dataset.strategies import IMAGE, Strategy

_CAPTIONED = "images with a caption"
_READ = "images with a text that was read in them"
_NEEDS = {
    Strategy.IMAGE_TO_TEXT: _CAPTIONED,
    Strategy.TEXT_TO_IMAGE: _CAPTIONED,
    Strategy.IMAGE_TO_NOTE: "notes with an image and something beside it",
    Strategy.NOTE_TO_IMAGE: "notes with an image and something beside it",
    Strategy.TEXT_TO_NOTE: "notes with a caption, or with a title beside a body",
    Strategy.NOTE_TO_TEXT: "notes with a caption, or with a title beside a body",
    Strategy.IMAGE_TO_OCR: _READ,
    Strategy.OCR_TO_IMAGE: _READ,
    Strategy.OCR_TO_NOTE: _READ,
    Strategy.NOTE_TO_NOTE: "notes with two images and a text that can be cut in two",
    Strategy.IMAGE_TO_IMAGE: "training.sibling_pairs, and notes with two images",
}


def is_seen(strategy: Strategy, sees_images: bool) -> bool:
    """Say whether an encoder sees what this type searches with and for: one that reads texts alone sees no image."""
    return sees_images or IMAGE not in strategy.value.split("_to_")


def left_out(data: TrainingSet, sees_images: bool) -> dict[str, str]:
    """Return the reason for each search type that cannot be measured on the eval split of `data`, by its name."""
    held_out = _given(data, EVAL)
    trained_on = _given(data, TRAIN)
    reasons = {}
    for strategy in Strategy:
        if not is_seen(strategy, sees_images):
            reasons[strategy.value] = "the model reads texts alone"
        elif strategy not in held_out and strategy in trained_on:
            reasons[strategy.value] = "no held-out note gives it; training.eval_share is the share that is held out"
        elif strategy not in held_out:
            reasons[strategy.value] = f"it needs {_NEEDS[strategy]}"
    return reasons


def _given(data: TrainingSet, split: str) -> set[Strategy]:
    """Return the search types that a split can be asked for; note_to_note is measured on its ranked lists alone."""
    found = set(data.strategies(split)) - {Strategy.NOTE_TO_NOTE}
    if data.ranked(split):
        found.add(Strategy.NOTE_TO_NOTE)
    return found
