"""A sentence-transformers model behind the encoder protocol: text only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from uninote.model.compute.batches import Batches
from uninote.model.compute.hardware import Placement, kind_of
from uninote.model.compute.transfer import to_device
from uninote.model.identity.folders import CheckpointError
from uninote.model.input.text import text_of
from uninote.model.sentence import folder as sentence_folder
from uninote.model.sentence.inputs import make_inputs
from uninote.notes.note import Note


class SentenceEncoder:
    """Embeds the texts of a note, those read in its images too, as `SentenceTransformer.encode` embeds them."""

    sees_images = False

    def __init__(self, model: Any, widths: tuple[int, ...]) -> None:
        """Take a SentenceTransformer where it is to compute; its default prompt, if it has one, opens every text."""
        self.widths = widths
        self._model = model
        self._device = next(model.parameters()).device
        self._batches = Batches(self._device)
        self.device = kind_of(self._device)
        prompt = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
        self._inputs = make_inputs(model[0], prompt or "")

    @classmethod
    def load(cls, folder: str | Path, placement: Placement) -> SentenceEncoder:
        """Load `folder`: safetensors only, nothing fetched, no code of the folder run. Raises CheckpointError."""
        folder = Path(folder)
        widths = sentence_folder.model_widths(folder)
        # Raises where weights are there as pickles only.
        sentence_folder.files(folder)
        model = _load(folder, placement)
        placement.place(model)
        encoder = cls(model, widths)
        _check_width(folder, encoder)
        return encoder

    @property
    def batch_tokens(self) -> int:
        """How many padded tokens `embed` should be given at most."""
        return self._batches.call_tokens

    @property
    def full_width(self) -> int:
        """The width of the vectors that `embed` returns."""
        return self.widths[-1]

    def fit(self, image: Image) -> np.ndarray:
        """Raise CheckpointError: this model sees no images."""
        raise CheckpointError("a sentence-transformers model sees no images; ask sees_images before")

    def sees_more(self, images: Sequence[np.ndarray]) -> bool:
        """Return False: this model sees no images."""
        return False

    def prepare(self, note: Note, images: Sequence[Image | np.ndarray]) -> Any:
        """Tokenise the note's text, cut to what the model reads; `images` are not looked at."""
        return self._inputs.prepare(text_of(note))

    def pieces(self, text: str, most: int) -> list[Any]:
        """Tokenise all of a text, in up to `most` pieces of the model's length."""
        return self._inputs.pieces(text, most)

    def embed(self, prepared: Sequence[Any]) -> np.ndarray:
        """Return float32 (n, full_width), L2-normalised."""
        return self._batches.embed(self._embed_batch, prepared, self.full_width)

    @torch.inference_mode()
    def _embed_batch(self, prepared: Sequence[Any]) -> torch.Tensor:
        features = to_device(self._inputs.collate(prepared), self._device)
        pooled = self._model(features)["sentence_embedding"]
        return torch.nn.functional.normalize(pooled.float(), dim=-1)


def _load(folder: Path, placement: Placement) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise CheckpointError(sentence_folder.not_installed()) from error
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # thousands of workers would each draw one
    settings = {"dtype": placement.dtype or "auto", "use_safetensors": True}
    try:
        return SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs=settings
        )
    except Exception as error:
        # The libraries raise many kinds of exceptions on a damaged folder.
        raise CheckpointError(f"{folder}: the {sentence_folder.LIBRARY} library cannot load it: {error}") from error


def _check_width(folder: Path, encoder: SentenceEncoder) -> None:
    found = encoder._embed_batch([encoder.prepare(Note(title="probe"), [])]).shape[1]
    if found != encoder.full_width:
        raise CheckpointError(
            f"{folder}: its files say vectors of {encoder.full_width}, the model makes them {found} wide"
        )
