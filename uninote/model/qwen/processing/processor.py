"""Notes into tensors: the prompt, its truncation, the images' sizes, and padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from uninote.errors import UninoteError
from uninote.model.compute.transfer import to_device
from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.layouts import Layout, Limits, newest
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.model.input.cuts import WHOLE, Cut
from uninote.model.qwen.files.checkpoint import PROCESSOR_FILES, read_card
from uninote.model.qwen.processing.image_sizes import largest_share, resized, target_size
from uninote.model.qwen.processing.limits import MARKUP, check_limits
from uninote.model.qwen.processing.pixels import PatchedImage, PixelReader
from uninote.model.qwen.processing.prompts import parts_of
from uninote.model.qwen.processing.texts import read_apart, read_joined
from uninote.model.qwen.processing.tokens import NoteTokenizer
from uninote.notes.note import Note

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A note ready for the model. Images wait as bytes: as numbers they take eight times the memory.

    `input_ids` is int32 (num_tokens,).
    """

    input_ids: np.ndarray
    images: tuple[PatchedImage, ...]
    cut: Cut = WHOLE

    @property
    def num_tokens(self) -> int:
        """The tokens of the full prompt, those of images included."""
        return len(self.input_ids)

    @property
    def nbytes(self) -> int:
        """The memory that the note holds while it waits."""
        return self.input_ids.nbytes + sum(image.patches.nbytes for image in self.images)


class NoteProcessor:
    """Turns notes into what the tower takes: Qwen's image processor on Pillow, and a tokenizer of the Qwen family."""

    def __init__(
        self,
        tokenizer: NoteTokenizer,
        pixels: PixelReader,
        limits: Limits,
        layout: Layout | None = None,
    ) -> None:
        """Raise UninoteError when `limits` leave no room for the prompt and an image. `layout` None is the newest."""
        self.tokenizer = tokenizer
        self.limits = limits
        self.pixels = pixels
        self._layout = layout or newest()
        self.patch_size: int = pixels.patch_size
        self.merge_size: int = pixels.merge_size
        self._grid = self.patch_size * self.merge_size
        self._room = limits.max_tokens - len(tokenizer.opening) - len(tokenizer.closing)
        self._least_block = len(self._image_block(self._grid**2))
        check_limits(limits, self._grid, limits.max_tokens - self._room + MARKUP)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, layout: Layout | None = None, limits: SetLimits = NOTHING_SET
    ) -> NoteProcessor:
        """Read tokenizer, image settings and limits of a checkpoint folder, in its own layout or another.

        `limits` that are set take the place of its own. Raises CheckpointError.
        """
        folder = Path(folder)
        card = read_card(folder, layout, limits)
        if missing := [name for name in PROCESSOR_FILES if not (folder / name).is_file()]:
            raise CheckpointError(f"{folder}: {missing} missing; a checkpoint has both tokenizer and image settings")
        tokenizer = NoteTokenizer((folder / "tokenizer.json").read_text(encoding="utf-8"), card.layout.frame)
        return cls(tokenizer, PixelReader(_image_processor(folder)), card.limits, card.layout)

    def fit(self, image: Image.Image) -> np.ndarray:
        """Return the image as the model will see it, uint8 (height, width, 3). Raises ImageError for an endless strip."""
        return resized(image, target_size(image.height, image.width, self._grid, self.limits))

    def sees_more(self, images: Sequence[np.ndarray]) -> bool:
        """Say whether of a note whose first images are these, as `fit` returns them, the model may see another."""
        if self._layout.shares_pixels:
            return len(images) < self.limits.max_images and (len(images) + 1) * self._least_block <= self._room
        taken = sum(map(len, self._blocks(images)))
        return len(images) < self.limits.max_images and taken + self._least_block <= self._room

    def prepare(self, note: Note, images: Sequence[Image.Image | np.ndarray]) -> Prepared:
        """Lay out one note; `images` are those of `note.images`, in order. Its length is at most `limits.max_tokens`.

        An image may be as `fit` returned it: large ones need not stay in memory until the note is prepared.

        Of a note that is too long the body is cut first, then OCR texts from the last image on, topics and title.
        Images are never cut: they are left out, from the end, and only when they would not fit even without any text.
        """
        if len(images) != len(note.images):
            raise UninoteError(f"{len(images)} images came for a note that names {len(note.images)}; give one for each")
        within = images[: self.limits.max_images]
        if self._layout.shares_pixels:
            within = self._shared(self._fitted(within))
        blocks = self._blocks(within)
        # An image is shown in full or not at all: where there is no room for all, the last ones are left out.
        while sum(map(len, blocks)) > self._room:
            blocks.pop()
        read = read_joined if self._layout.joins_texts else read_apart
        texts = read(self.tokenizer, parts_of(note, len(blocks)), self._room - sum(map(len, blocks)))
        cut = Cut(texts.cut, texts.is_estimate, len(images) - len(blocks))
        shown = tuple(map(self.pixels.in_patches, self._fitted(within[: len(blocks)])))
        return Prepared(self._prompt(texts.gaps, blocks), shown, cut)

    def collate(self, prepared: Sequence[Prepared], device: torch.device = CPU) -> dict[str, torch.Tensor]:
        """Pad a batch on the right. Keys are those of Qwen3VLModel.forward, on `device`; without images none of theirs."""
        shape = len(prepared), max(item.num_tokens for item in prepared)
        input_ids = np.full(shape, self.tokenizer.padding, dtype=np.int64)
        attended = np.zeros(shape, dtype=np.int64)
        for row, item in enumerate(prepared):
            input_ids[row, : item.num_tokens] = item.input_ids
            attended[row, : item.num_tokens] = 1
        is_image = (input_ids == self.tokenizer.image_pad).astype(np.int64)
        arrays = {"input_ids": input_ids, "attention_mask": attended, "mm_token_type_ids": is_image}
        features = to_device({name: torch.from_numpy(array) for name, array in arrays.items()}, device)
        images = [image for item in prepared for image in item.images]
        if images:
            features |= self.pixels.features(images, device)
        return features

    def _fitted(self, images: Sequence[Image.Image | np.ndarray]) -> list[np.ndarray]:
        """Return images as `fit` does, those that it returned as they are."""
        return [image if isinstance(image, np.ndarray) else self.fit(image) for image in images]

    def _blocks(self, images: Sequence[Image.Image | np.ndarray]) -> list[list[int]]:
        """Return the tokens that stand for each image."""
        blocks = []
        for image in images:
            height, width = self._size(image)
            blocks.append(self._image_block(height * width))
        return blocks

    def _size(self, image: Image.Image | np.ndarray) -> tuple[int, int]:
        """Return height and width for the model."""
        if isinstance(image, np.ndarray):
            return image.shape[0], image.shape[1]
        return target_size(image.height, image.width, self._grid, self.limits)

    def _shared(self, images: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Return the images, the largest of them smaller where all together would take too much of the prompt.

        Each is first what it would be alone, so that a note of few images has the vector that it has without sharing.
        """
        tokens = [image.shape[0] * image.shape[1] // self._grid**2 for image in images]
        budget = int(self._room * self.limits.image_share) - MARKUP * len(images)
        if sum(tokens) <= budget:
            return images
        most = max(largest_share(tokens, budget), -(-self.limits.min_pixels // self._grid**2))
        limits = replace(self.limits, max_pixels=most * self._grid**2)
        shared = []
        for image, size in zip(images, tokens, strict=True):
            if size > most:
                smaller = target_size(image.shape[0], image.shape[1], self._grid, limits)
                image = resized(Image.fromarray(image), smaller)
            shared.append(image)
        return shared

    def _image_block(self, pixels: int) -> list[int]:
        num_pads = pixels // self._grid**2
        return [self.tokenizer.vision_start, *[self.tokenizer.image_pad] * num_pads, self.tokenizer.vision_end]

    def _prompt(self, gaps: Sequence[list[int]], blocks: Sequence[list[int]]) -> np.ndarray:
        ids = self.tokenizer.opening + gaps[0]
        for block, gap in zip(blocks, gaps[1:], strict=True):
            ids += block + gap
        return np.array(ids + self.tokenizer.closing, dtype=np.int32)


def _image_processor(folder: Path) -> Qwen2VLImageProcessorPil:
    try:
        return Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        # The library raises many kinds of exceptions on a damaged file.
        raise CheckpointError(f"{folder / 'preprocessor_config.json'}: not usable image settings: {error}") from error
