"""UniNote behind the encoder protocol: processor and tower of one checkpoint, on one device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from uninote.model.compute.batches import Batches
from uninote.model.compute.hardware import Placement, kind_of
from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.layouts import Layout
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.model.qwen.files.checkpoint import read_card
from uninote.model.qwen.processing.processor import NoteProcessor, Prepared
from uninote.model.qwen.tower import UniNote
from uninote.notes.note import Note


class NoteEncoder:
    """Embeds with a UniNote tower."""

    sees_images = True

    def __init__(self, tower: UniNote, processor: NoteProcessor, widths: tuple[int, ...]) -> None:
        self.widths = widths
        self._processor = processor
        self._tower = tower
        self._device = next(tower.parameters()).device
        self._batches = Batches(self._device)
        self.device = kind_of(self._device)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        placement: Placement,
        layout: Layout | None = None,
        limits: SetLimits = NOTHING_SET,
        layers: int | None = None,
    ) -> NoteEncoder:
        """Load `folder`, in its own layout or another, with `limits` that are set, all layers or the first so many.

        Raises CheckpointError.
        """
        card = read_card(folder, layout).at(layers, Path(folder))
        processor = NoteProcessor.from_pretrained(folder, layout, limits)
        tower = UniNote.from_pretrained(folder)
        _check_agreement(tower, processor)
        if layers is not None:
            tower.keep_layers(layers)
        # Nobody reads what the last layer makes of other tokens: half of what a text costs in the demo's model of two layers.
        tower.pool_early()
        placement.place(tower)
        return cls(tower, processor, card.widths)

    @property
    def batch_tokens(self) -> int:
        """How many padded tokens `embed` should be given at most."""
        return self._batches.call_tokens

    @property
    def full_width(self) -> int:
        """The width of the vectors that `embed` returns."""
        return self.widths[-1]

    def fit(self, image: Image) -> np.ndarray:
        """Return the image as the model will see it, uint8 (height, width, 3)."""
        return self._processor.fit(image)

    def sees_more(self, images: Sequence[np.ndarray]) -> bool:
        """Say whether of a note whose first images are these, as `fit` returns them, the model may see another."""
        return self._processor.sees_more(images)

    def prepare(self, note: Note, images: Sequence[Image | np.ndarray]) -> Prepared:
        """Lay out one note; `images` are those of `note.images`, in order."""
        return self._processor.prepare(note, images)

    def embed(self, prepared: Sequence[Prepared]) -> np.ndarray:
        """Return float32 (n, full_width), L2-normalised."""
        return self._batches.embed(self._embed_batch, prepared, self.full_width)

    @torch.inference_mode()
    def _embed_batch(self, prepared: Sequence[Prepared]) -> Tensor:
        vectors: Tensor = self._tower(self._processor.collate(prepared, self._device))
        if self.full_width == self._tower.full_width:
            return vectors
        return torch.nn.functional.normalize(vectors[:, : self.full_width], dim=-1)


def _check_agreement(tower: UniNote, processor: NoteProcessor) -> None:
    """Raise CheckpointError when tokenizer and configuration do not belong together: every vector would be wrong."""
    config: Any = tower.model.config
    declared = (config.image_token_id, config.vision_config.patch_size, config.vision_config.spatial_merge_size)
    found = (processor.tokenizer.image_pad, processor.patch_size, processor.merge_size)
    if declared != found:
        raise CheckpointError(f"image token, patch and merge size are {declared} in config.json, {found} elsewhere")
    if processor.tokenizer.vocabulary > config.text_config.vocab_size:
        counts = f"{processor.tokenizer.vocabulary} tokens, the model {config.text_config.vocab_size}"
        raise CheckpointError(f"the tokenizer has {counts}; they must come from one checkpoint")
