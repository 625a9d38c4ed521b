"""A checkpoint folder as the driver sees it: its identity, widths and limits. Keeps no weights, needs no torch."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uninote.model.identity.folders import CheckpointError, Content, listing, pickles_in, read_object
from uninote.model.identity.former import PILLOW, pillow_versions
from uninote.model.identity.identity import FIRST, Identity
from uninote.model.identity.layouts import LAYOUTS, Layout, Limits, find_layout, newest
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.model.qwen.files.depths import Depth, problem_of

MODEL_TYPE = "qwen3_vl"
CARD = "uninote.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
PROCESSOR_FILES = ("tokenizer.json", "preprocessor_config.json")
NARROWEST_PUBLISHED = 64
# Keys of the card: earlier releases wrote the second one
LAYOUT = "layout"
PROMPT_VERSION = "prompt_version"
DEPTHS = "depths"  # of models that are trained at some
# As earlier releases named what they did
FIRST_PROMPT = "1"
POOLING = "last_attended"

NOT_TRAINED = "it was trained at no smaller number (contrastive.depths trains one that is)"
_LIMITS = ("max_tokens", "max_images", "min_pixels", "max_pixels")
_SHARE = "image_share"  # which a card may leave out


@dataclass(frozen=True)
class Card:
    """What a checkpoint declares: its full width, all widths it was trained for (ascending), its limits, layout and depths.

    Where it declares none, these are the published limits of the layout, the newest layout, and no depths.
    """

    full_width: int
    widths: tuple[int, ...]
    limits: Limits
    layout: Layout
    depths: tuple[Depth, ...] = ()

    def at(self, layers: int | None, place: Path) -> Card:
        """Return what is true of the first `layers` layers; None are all. `place` is for messages.

        Raises CheckpointError for a number that the checkpoint was not trained at.
        """
        if layers is None:
            return self
        width = dict(self.depths).get(layers)
        if width is None:
            trained = f"the numbers it was trained at are {sorted(dict(self.depths))}" if self.depths else NOT_TRAINED
            raise CheckpointError(
                f"embed.layers: {layers}: {place} computes all its layers; {trained}; null computes all"
            )
        return replace(self, full_width=width, widths=(width,))


def read_card(folder: str | Path, layout: Layout | None = None, limits: SetLimits = NOTHING_SET) -> Card:
    """Return what the checkpoint in `folder` declares, reading two small files. `layout` takes the place of its own.

    So do `limits`, as far as they are set.

    One without `uninote.json` is taken for a published Qwen3-VL-Embedding, with `published_widths` and the layout's limits.
    Raises CheckpointError when the folder is no Qwen3-VL checkpoint, or made with a layout that this release does not know.
    """
    folder = Path(folder)
    text = read_config(folder)["text_config"]
    full_width = int(text["hidden_size"])
    if not (folder / CARD).exists():
        layout = layout or newest()
        return Card(full_width, published_widths(full_width), limits.over(layout.published_limits), layout)
    values = read_object(folder / CARD)
    # Cards of the first releases name the version of a prompt in the place of a layout.
    expected = {"widths", PROMPT_VERSION if PROMPT_VERSION in values else LAYOUT, *_LIMITS} | ({_SHARE} & values.keys())
    pairs = values.pop(DEPTHS, [])
    if problem := _compare(values, expected) or _mistyped(values, full_width) or _wrong_depths(pairs, text, full_width):
        raise CheckpointError(f"{folder / CARD}: {problem}")
    own = find_layout(FIRST if PROMPT_VERSION in values else values[LAYOUT], str(folder / CARD))
    declared = Limits(**{name: values[name] for name in (*_LIMITS, _SHARE) if name in values})
    depths = tuple((pair[0], pair[1]) for pair in pairs)
    return Card(full_width, tuple(values["widths"]), limits.over(declared), layout or own, depths)


def published_widths(full_width: int) -> tuple[int, ...]:
    """Return the widths that a published Qwen3-VL-Embedding declares, ascending.

    Its authors promise every width from 64 to the full one. Which of those to name is this project's choice: doubling,
    since a width between two of these saves little.
    """
    widths = []
    width = NARROWEST_PUBLISHED
    while width < full_width:
        widths.append(width)
        width *= 2
    return (*widths, full_width)


def write_card(folder: Path, card: Card) -> None:
    """Write `uninote.json` into `folder`."""
    values: dict[str, Any] = {LAYOUT: card.layout.number, "widths": list(card.widths), **card.limits.declared()}
    if card.depths:
        # Releases that know no depths take a card without them.
        values[DEPTHS] = [list(depth) for depth in card.depths]
    (folder / CARD).write_text(json.dumps(values, indent=2) + "\n")


def identify(folder: str | Path, limits: SetLimits = NOTHING_SET, layers: int | None = None) -> Identity:
    """Return what the checkpoint is called, wherever it lies, its first `layers` layers alone: every weight is read once.

    Hashed are the bytes of weights, configuration, tokenizer and image settings, the layout, and the limits, those that are set
    to others than its own included. Declared widths are not: they move no vector.
    """
    folder = Path(folder)
    card = read_card(folder)
    paths = [folder / "config.json", *(folder / name for name in PROCESSOR_FILES), *weight_files(folder)]
    content = Content(folder, paths)
    own = card.limits if (folder / CARD).exists() else None
    depth: list[object] = [] if layers is None else ["layers", layers]

    def limits_in(layout: Layout) -> dict[str, Any]:
        return limits.over(own or layout.published_limits).declared()

    def first(pillow: str) -> object:
        return [FIRST_PROMPT, POOLING, limits_in(LAYOUTS[FIRST]), "pillow", pillow, *depth]

    def choices(layout: Layout) -> object:
        later = [LAYOUT, layout.number, limits_in(layout), *depth]
        return first(PILLOW) if layout.number == FIRST else later

    named: list[object] = ["weights", MODEL_TYPE, own.declared() if own else None, *depth]
    # With other limits than its own a model is another one to a lake, which compares no vectors of both.
    changed = limits.changes(card.limits)
    weights = content.identity([*named, changed] if changed else named)
    return Identity(weights, card.layout, content, choices, lambda: map(first, pillow_versions()))


def generation(folder: str | Path) -> str:
    """Return the identity of the vectors that the checkpoint makes in its own layout."""
    found = identify(folder)
    return found.generation(found.own)


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json of a Qwen3-VL checkpoint. Raises CheckpointError for anything else."""
    config = read_object(folder / "config.json")
    if config.get("model_type") != MODEL_TYPE:
        found = f"model_type {config.get('model_type')!r}, architectures {config.get('architectures')!r}"
        raise CheckpointError(f"{folder}: not a Qwen3-VL checkpoint (model_type {MODEL_TYPE!r}); found {found}")
    text = config.get("text_config")
    width = text.get("hidden_size") if isinstance(text, dict) else None
    if not isinstance(width, int) or width < 1:
        raise CheckpointError(f"{folder / 'config.json'}: text_config.hidden_size is {width!r}, not a width")
    return config


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of the weights, sorted by name. Raises CheckpointError when some are missing."""
    if (folder / INDEX).exists():
        names = sorted(set(_weight_map(folder).values()))
    elif (folder / SINGLE).exists():
        names = [SINGLE]
    else:
        raise CheckpointError(_no_weights(folder))
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise CheckpointError(f"{folder}: {INDEX} names {missing}, which are not there; found {listing(folder)}")
    return [folder / name for name in names]


def _weight_map(folder: Path) -> dict[str, str]:
    weight_map = read_object(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{folder / INDEX}: has no weight_map")
    for name in weight_map.values():
        if not isinstance(name, str) or os.path.basename(name) != name or not name.endswith(".safetensors"):
            raise CheckpointError(f"{folder / INDEX}: {name!r} is not the name of a safetensors file in that folder")
    return weight_map


def _no_weights(folder: Path) -> str:
    if pickles := pickles_in(folder.iterdir()):
        return f"{folder}: weights are in {pickles}, which can run code when loaded; convert them to safetensors"
    return f"{folder}: neither {SINGLE} nor {INDEX} is there; found {listing(folder)}"


def _wrong_depths(pairs: object, text: dict[str, Any], full_width: int) -> str:
    depths: list[Depth] = []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not isinstance(pair, list) or [type(value) for value in pair] != [int, int]:
            return f"{DEPTHS} {pairs!r} must be a list of pairs of layers and width"
        depths.append((pair[0], pair[1]))
    return problem_of(depths, int(text.get("num_hidden_layers", 0)), full_width) if depths else ""


def _compare(values: dict[str, Any], expected: set[str]) -> str:
    missing = sorted(expected - set(values))
    unknown = sorted(set(values) - expected)
    return f"missing {missing}, unknown {unknown}" if missing or unknown else ""


def _mistyped(values: dict[str, Any], full_width: int) -> str:
    if values.get(PROMPT_VERSION, FIRST_PROMPT) != FIRST_PROMPT:
        return (
            f"made for prompt version {values[PROMPT_VERSION]!r}; this release knows {FIRST_PROMPT!r}, which is layout "
            f"{FIRST}. Install the release that made it"
        )
    widths = values["widths"]
    # The type itself is compared, since a bool is an int to isinstance.
    is_typed = isinstance(widths, list) and set(map(type, widths)) == {int}
    if not is_typed or widths != sorted(set(widths)) or widths[0] < 1 or widths[-1] != full_width:
        return f"widths {widths!r} must be ascending positive integers that end with the full width, {full_width}"
    wrong = [name for name in _LIMITS if type(values[name]) is not int or values[name] < 1]
    if wrong:
        return f"{wrong} must be positive integers"
    share = values.get(_SHARE, 1)
    is_share = type(share) in (int, float) and 0 < share <= 1
    return "" if is_share else f"{_SHARE} is {share!r}, not above 0 and at most 1"
