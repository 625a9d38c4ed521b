"""What the parts of gpu.py share: the size of everything, a model without a checkpoint, and notes to embed."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import Qwen3VLConfig, Qwen3VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from uninote.media.fetching import inline_uri
from uninote.media.images import to_image
from uninote.model.compute.hardware import Placement, convert_parameters
from uninote.model.identity.layouts import Limits, newest
from uninote.model.qwen.encoder import NoteEncoder
from uninote.model.qwen.processing.pixels import PixelReader
from uninote.model.qwen.processing.processor import NoteProcessor, Prepared
from uninote.model.qwen.processing.tokens import NoteTokenizer
from uninote.model.qwen.tiny import LIMITS, tiny_config
from uninote.model.qwen.tiny_tokenizer import train_tokenizer
from uninote.model.qwen.tower import UniNote
from uninote.notes.note import Note, NoteImage

# Of the tokenizer that is trained here; the model's own vocabulary is as large as the published one.
VOCABULARY = 4096
FRAME_SCALE = 0.05
WORDS, PICTURES = 3000, 64
TEXT_2B = {
    "vocab_size": 151_936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 262_144,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 5_000_000, "mrope_section": [24, 20, 20], "mrope_interleaved": True,
    },
}  # fmt: skip
VISION_2B = {
    "depth": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_heads": 16,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "num_position_embeddings": 2304,
    "out_hidden_size": 2048,
    "deepstack_visual_indexes": [5, 11, 17],
}


@dataclass(frozen=True)
class Size:
    """How much is measured. `notes` of each number of images (0, 1, 4); `image` is an edge in pixels."""

    name: str
    limits: Limits
    image: int
    tokens: int
    notes: dict[int, int]
    patch_images: int
    compared: int
    batch: int
    steps: int
    join_rows: int
    join_width: int
    chunk_tokens: int = 8192


LARGE = Size(
    "Qwen3-VL 2B, random weights",
    newest().published_limits,
    512,
    200,
    {0: 2000, 1: 512, 4: 160},
    64,
    8,
    64,
    3,
    500_000,
    128,
)
TINY = Size("tiny, random weights", LIMITS, 64, 40, {0: 24, 1: 8, 4: 4}, 4, 4, 4, 1, 2000, 32, 256)


class Parts:
    """One model, its encoder and its notes, on one device."""

    def __init__(self, size: Size, device: torch.device) -> None:
        self.size, self.device = size, device
        self.random = random.Random(0)
        self.words = [_word(self.random) for _ in range(WORDS)]
        frame = newest().frame
        tokenizer = train_tokenizer([frame.opening + frame.closing] * 3 + [" ".join(self.words)] * 3, VOCABULARY)
        self._tokenizer = tokenizer
        self.config = Qwen3VLConfig.from_dict(_config(tokenizer, size))
        self.processor = NoteProcessor(
            NoteTokenizer(tokenizer.to_str(), frame), PixelReader(_image_processor(self.config)), size.limits
        )
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.pictures = [_jpeg(size.image, seed) for seed in range(PICTURES)]

    def new_tower(self) -> UniNote:
        """Return a tower with random weights, the same ones each time, not yet placed for inference."""
        torch.manual_seed(0)
        with torch.device(self.device):
            tower = UniNote(Qwen3VLModel(self.config))
        # The tokens that every prompt has say little, or all vectors would be nearly one. Not nothing: the first of a prompt
        # would stay 0 through all layers, and each norm would multiply its gradient by 1,000.
        texts = newest().frame
        frame = self._tokenizer.encode(texts.opening + texts.closing, add_special_tokens=False).ids
        with torch.no_grad():
            tower.model.language_model.embed_tokens.weight[frame] *= FRAME_SCALE
        convert_parameters(tower, self.dtype)
        return tower.requires_grad_(False)

    def encoder_of(self, tower: UniNote, device: torch.device, dtype: torch.dtype) -> NoteEncoder:
        """Return the encoder that computes with `tower`, which is moved and converted."""
        Placement(device, dtype).place(tower)
        return NoteEncoder(tower, self.processor, (tower.full_width,))

    @cached_property
    def tower(self) -> UniNote:
        """The tower of `encoder`."""
        return self.new_tower()

    @cached_property
    def encoder(self) -> NoteEncoder:
        """The encoder that is measured."""
        return self.encoder_of(self.tower, self.device, self.dtype)

    def free(self) -> None:
        """Give the encoder's memory back."""
        for name in ("tower", "encoder"):
            self.__dict__.pop(name, None)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def rows(self, count: int, images: int) -> pa.Table:
        """Return items as the embedding tasks read them, `images` JPEGs in each."""
        rows = [self._row(number, images) for number in range(count)]
        return pa.Table.from_pylist(rows, ROW)

    def prepared(self, tokens: int, images: int) -> Prepared:
        """Return one note of about so many tokens and with so many images, ready for the model."""
        contents = [self.random.choice(self.pictures) for _ in range(images)]
        note = Note(body=self._text(tokens), images=tuple(NoteImage(inline_uri(content)) for content in contents))
        return self.processor.prepare(note, [to_image(content, self.size.limits.max_pixels) for content in contents])

    def _row(self, number: int, images: int) -> dict[str, Any]:
        contents = [self.pictures[(number * images + position) % PICTURES] for position in range(images)]
        uris = [inline_uri(content) for content in contents]
        return {
            "item_id": str(number),
            "kind": "note",
            "content_hash": str(number),
            "body": self._text(self.size.tokens),
            "images": [{"uri": uri, "ocr": None} for uri in uris],
            "inline": [{"uri": uri, "content": content} for uri, content in zip(uris, contents, strict=True)],
        }

    def _text(self, tokens: int) -> str:
        text = " ".join(self.random.choices(self.words, k=tokens))
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids[:tokens]
        return self._tokenizer.decode(ids)


_IMAGE = pa.struct([("uri", pa.string()), ("ocr", pa.string())])
_INLINE = pa.struct([("uri", pa.string()), ("content", pa.binary())])
ROW = pa.schema(
    [
        *((name, pa.string()) for name in ("item_id", "kind", "content_hash", "title", "body")),
        ("topics", pa.list_(pa.string())),
        ("images", pa.list_(_IMAGE)),
        ("inline", pa.list_(_INLINE)),
    ]
)


def seconds_of(work: Callable[[], Any], device: torch.device, most: int = 10, budget_s: float = 10.0) -> float:
    """Return the median seconds of `work`, after one call that is not counted, in about `budget_s`."""
    first = timed(work, device)
    times = [timed(work, device) for _ in range(max(1, min(most, int(budget_s / max(first, 1e-6)))))]
    return median(times)


def timed(work: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of one call, until the device is done."""
    finish(device)
    started = time.perf_counter()
    work()
    finish(device)
    return time.perf_counter() - started


def finish(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def farthest(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest |cos - 1| between equal rows of unit vectors."""
    return float(np.abs((first.astype(np.float64) * second).sum(axis=1) - 1).max())


def _config(tokenizer: Tokenizer, size: Size) -> dict[str, Any]:
    values = tiny_config(tokenizer)
    if size is LARGE:
        values |= {"text_config": TEXT_2B, "vision_config": VISION_2B}
    return values


def _image_processor(config: Qwen3VLConfig) -> Qwen2VLImageProcessorPil:
    vision = config.vision_config
    half = [0.5, 0.5, 0.5]
    return Qwen2VLImageProcessorPil(
        patch_size=vision.patch_size, temporal_patch_size=vision.temporal_patch_size,
        merge_size=vision.spatial_merge_size, image_mean=half, image_std=half,
    )  # fmt: skip


def _word(dice: random.Random) -> str:
    syllables: Sequence[str] = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "el", "or")]
    return "".join(dice.choices(syllables, k=dice.randint(1, 4)))


def _jpeg(edge: int, seed: int) -> bytes:
    """Return a picture with structure at every scale, so that decoding costs what a photograph's does."""
    dice = np.random.default_rng(seed)
    pixels = np.zeros((edge, edge, 3), np.float32)
    for cells in (4, 16, edge):
        layer = Image.fromarray(dice.integers(0, 256, (cells, cells, 3), np.uint8))
        pixels += np.asarray(layer.resize((edge, edge), Image.Resampling.BICUBIC), np.float32) / 3
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
