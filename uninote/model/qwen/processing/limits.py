"""Whether a model can hold limits: found out before a run begins, from small files. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from uninote.errors import UninoteError
from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.layouts import Layout, Limits
from uninote.model.identity.limits import SetLimits
from uninote.model.qwen.files.checkpoint import read_card, read_config
from uninote.model.qwen.processing.tokens import NoteTokenizer

MARKUP = 2  # tokens around each image


def check_limits(limits: Limits, grid: int, frame_tokens: int) -> None:
    """Raise UninoteError unless every image can be resized within the limits, and one of them fits into a prompt."""
    least = 4 * max(limits.min_pixels, grid * grid)
    if limits.max_pixels < least:
        raise UninoteError(f"max_pixels is {limits.max_pixels}; with these min_pixels the least is {least}")
    needed = frame_tokens + limits.max_pixels // grid**2
    if limits.max_tokens < needed:
        raise UninoteError(
            f"max_tokens is {limits.max_tokens}; the prompt and one image of {limits.max_pixels} pixels need {needed}"
        )


def check_set_limits(folder: str | Path, settings: SetLimits, layout: Layout | None = None) -> None:
    """Raise CheckpointError where the model in `folder` cannot hold its limits with those that are set, in that layout."""
    folder = Path(folder)
    card = read_card(folder, layout, settings)
    try:
        _check(folder, card.limits, card.layout)
    except UninoteError as error:
        values = ", ".join(f"{name}={value}" for name, value in settings.given().items())
        raise CheckpointError(f"model.limits ({values}) do not suit {folder}: {error}") from error


def _check(folder: Path, limits: Limits, layout: Layout) -> None:
    config = read_config(folder)
    positions = config["text_config"].get("max_position_embeddings")
    if isinstance(positions, int) and limits.max_tokens > positions:
        raise UninoteError(
            f"max_tokens is {limits.max_tokens}; config.json has {positions} positions (max_position_embeddings)"
        )
    vision = config.get("vision_config") or {}
    grid = int(vision.get("patch_size", 16)) * int(vision.get("spatial_merge_size", 2))
    tokenizer = NoteTokenizer((folder / "tokenizer.json").read_text(encoding="utf-8"), layout.frame)
    frame = len(tokenizer.opening) + len(tokenizer.closing)
    check_limits(limits, grid, frame + MARKUP)
    if not layout.shares_pixels:
        if limits.image_share != Limits.image_share:
            raise UninoteError(
                f"image_share is {limits.image_share}; in layout {layout.number} images share nothing: the last ones are left "
                "out. Set model.layout to a later one"
            )
        return
    least = -(-limits.min_pixels // grid**2) + MARKUP
    fit = int((limits.max_tokens - frame) * limits.image_share) // least
    if limits.max_images > fit:
        raise UninoteError(
            f"max_images is {limits.max_images}; of images of {limits.min_pixels} pixels, which is as small as they may "
            f"become, {fit} fit into {limits.image_share} of {limits.max_tokens} tokens. Lower max_images or min_pixels, or "
            "raise max_tokens"
        )
