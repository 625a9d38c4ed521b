"""A folder of the feature-hashing encoder: one JSON file, which is all there is to it. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uninote.model.identity.folders import CheckpointError, Content, listing, read_object
from uninote.model.identity.identity import FIRST, Identity
from uninote.model.identity.layouts import Layout, newest_of_others

KIND = "feature-hashing"
CARD = "feature_hashing.json"
FIRST_LAYOUT = (1, "1")  # of features and text, as earlier releases numbered them
MOST_BYTES = 1 << 30  # of one process' projection, a byte for each entry


@dataclass(frozen=True)
class HashingCard:
    """What the file declares. `widths` are ascending, the last is the full one.

    Features are hashed to 0 … `vocabulary_size` - 1; `seed` chooses the hash and the projection.
    """

    widths: tuple[int, ...]
    seed: int
    vocabulary_size: int


def write_card(folder: str | Path, widths: Sequence[int], seed: int = 0, vocabulary_size: int = 1 << 16) -> None:
    """Make `folder` a checkpoint of this kind. Raises CheckpointError for values that none can have."""
    card = HashingCard(tuple(sorted(widths)), seed, vocabulary_size)
    _check(Path(folder) / CARD, card)
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / CARD).write_text(json.dumps(asdict(card)) + "\n", encoding="utf-8")


def read_card(folder: str | Path) -> HashingCard:
    """Return what the folder declares. Raises CheckpointError."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise CheckpointError(f"{folder}: not a feature-hashing folder: no {CARD}; found {listing(Path(folder))}")
    values = read_object(path)
    if set(values) != {"widths", "seed", "vocabulary_size"}:
        raise CheckpointError(f"{path}: has the keys {sorted(values)}; they should be widths, seed and vocabulary_size")
    if not isinstance(values["widths"], list):
        raise CheckpointError(f"{path}: widths is {values['widths']!r}; it should be a list of widths")
    card = HashingCard(tuple(values["widths"]), values["seed"], values["vocabulary_size"])
    _check(path, card)
    return card


def identify(folder: Path) -> Identity:
    """Return what the encoder is called: all but its narrower widths, and the layout. Raises CheckpointError."""
    card = read_card(folder)
    content = Content(folder, [])
    own = {"seed": card.seed, "vocabulary_size": card.vocabulary_size, "full_width": card.widths[-1], "kind": KIND}

    def choices(layout: Layout) -> object:
        return own | {"layout": FIRST_LAYOUT if layout.number == FIRST else layout.number}

    return Identity(content.identity(["weights", own]), newest_of_others(), content, choices, lambda: iter(()))


def generation(folder: Path) -> str:
    """Return the identity of the vectors that the encoder makes in the newest layout. Raises CheckpointError."""
    return identify(folder).generation(newest_of_others())


def _check(path: Path, card: HashingCard) -> None:
    widths = card.widths
    if not widths or not all(map(_is_positive, widths)) or list(widths) != sorted(set(widths)):
        raise CheckpointError(f"{path}: widths is {list(widths)}; they should be whole numbers above 0, ascending")
    # By type, since a bool is an int to isinstance.
    if type(card.seed) is not int or not 0 <= card.seed < 1 << 64:
        raise CheckpointError(f"{path}: seed is {card.seed!r}; it should be a whole number from 0 to 2^64 - 1")
    if not _is_positive(card.vocabulary_size):
        raise CheckpointError(
            f"{path}: vocabulary_size is {card.vocabulary_size!r}; it should be a whole number above 0"
        )
    if widths[-1] * card.vocabulary_size > MOST_BYTES:
        raise CheckpointError(
            f"{path}: a vocabulary_size of {card.vocabulary_size:,} at width {widths[-1]:,} takes more than "
            f"{MOST_BYTES >> 20:,} MiB in each worker; choose a smaller one, such as 65,536"
        )


def _is_positive(value: Any) -> bool:
    return type(value) is int and value > 0
