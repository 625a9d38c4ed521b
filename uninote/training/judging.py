"""A judge of pairs: any function of the user's that says how well a candidate answers a query, where an encoder only guesses.

As in UniME-V2, the encoder finds candidates, and the judge, such as a large multimodal model, scores them.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uninote.digests import digest
from uninote.errors import ConfigError, UninoteError
from uninote.notes.note import Note


@dataclass(frozen=True, slots=True)
class Shown:
    """What a judge sees of an item: its `kind`, its texts as a note, and the encoded `images`, in the note's order."""

    kind: str
    note: Note
    images: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a candidate."""

    query: Shown
    candidate: Shown


Judge = Callable[[Sequence[Pair]], Sequence[float]]
"""Returns of each pair a score from -1 to 1, as a cosine: equal pairs get equal scores. Its attribute `version`, if it has
one, names its scores beside its own name: other scores are kept apart."""


def load_judge(name: str) -> Judge:
    """Return the function `module:function`. Raises ConfigError where there is none."""
    module, _, function = name.partition(":")
    try:
        judge: Judge = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"training.judge: {name} cannot be imported ({error}); it is module:function, of a module that this process and "
            "Spark's workers find"
        ) from error
    return judge


def identity_of(name: str) -> str:
    """Return what names the scores of a judge. Raises ConfigError where there is no such function."""
    return digest(name, str(getattr(load_judge(name), "version", "")))


def scores_of(judge: Judge, pairs: Sequence[Pair], name: str) -> list[float]:
    """Return the judge's scores. Raises UninoteError for another number of them, or for one that is no cosine."""
    scores = list(map(float, judge(pairs)))
    if len(scores) != len(pairs):
        raise UninoteError(
            f"training.judge: {name} returned {len(scores)} scores for {len(pairs)} pairs; return one for each"
        )
    for score in scores:
        if not math.isfinite(score) or not -1 <= score <= 1:
            raise UninoteError(f"training.judge: {name} returned {score}; return numbers from -1 to 1")
    return scores
