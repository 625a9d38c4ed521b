"""An untrained checkpoint in the published layout whose vectors nevertheless say what a note is about.

Plain random weights collapse: pooled from the same last token behind the same frame, all notes point one way. Here

- token embeddings are scaled by their rarity in the texts (inverse document frequency), and the tokens of the frame,
  which every prompt has, are zero. RMS_EPS is of their size, so that the norms keep these scales;
- the pooled token, zero itself, then asks every token alike, and attention averages the prompt: about a random
  projection of its weighted words and image patches, through a real transformer;
- the merger's output bias takes away the mean that GELU leaves, which all patches of all images would share;
- IMAGE_SCALE makes patches quiet beside words: untrained features tell backgrounds apart better than things, and would
  drown the texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen3VLConfig, Qwen3VLModel

from uninote.model.identity.layouts import newest
from uninote.model.qwen.tiny import make_folder, tiny_config, write_checkpoint
from uninote.model.qwen.tiny_tokenizer import SPECIAL, train_tokenizer

VOCABULARY = 6144
RMS_EPS = 1.0
GELU_MEAN = 1 / (2 * math.sqrt(math.pi))  # of gelu(z) for a standard normal z
POSITION_STD = 0.02
IMAGE_SCALE = 0.1


def make_tiny_checkpoint(folder: str | Path, texts: Iterable[str], seed: int = 0) -> None:
    """Write a checkpoint of some 3 million parameters whose vocabulary and word weights come from `texts`.

    Equal texts and seed give an equal generation. A folder that exists already is left as it is.
    """
    encodable = [text.encode(errors="replace").decode() for text in texts]
    make_folder(Path(folder), lambda scratch: _write(scratch, encodable, seed))


def _write(folder: Path, texts: list[str], seed: int) -> None:
    frame = newest().frame
    tokenizer = train_tokenizer([frame.opening + frame.closing, *texts], VOCABULARY)
    config = tiny_config(tokenizer)
    config["text_config"]["rms_norm_eps"] = RMS_EPS
    with torch.device("meta"):
        model = Qwen3VLModel(Qwen3VLConfig.from_dict(config))
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    model.load_state_dict(make_weights(shapes, rarity(tokenizer, texts), seed), assign=True)
    write_checkpoint(folder, model, tokenizer)


def rarity(tokenizer: Tokenizer, texts: Iterable[str]) -> np.ndarray:
    """Return float32 (vocabulary,): 1 for a token in none of `texts`, 0 for one in all of them or in every prompt."""
    vocabulary, num_texts = tokenizer.get_vocab_size(), 0
    counts = np.zeros(vocabulary, dtype=np.int64)
    for text in texts:
        num_texts += 1
        counts[list(set(tokenizer.encode(text, add_special_tokens=False).ids))] += 1
    weights = 1 - np.log1p(counts) / math.log(num_texts + 2)
    frame = newest().frame
    weights[tokenizer.encode(frame.opening + frame.closing + "".join(SPECIAL), add_special_tokens=False).ids] = 0
    return weights.astype(np.float32)


def make_weights(shapes: Mapping[str, torch.Size], token_scales: np.ndarray, seed: int) -> dict[str, Tensor]:
    """Return float32 weights for the names and shapes of a Qwen3VLModel, the same ones for the same seed."""
    # numpy's generator: torch's draws other numbers on other instruction sets
    random = np.random.default_rng(seed)
    weights = {name: _drawn(name, tuple(shapes[name]), random) for name in sorted(shapes)}
    weights["language_model.embed_tokens.weight"] *= token_scales[:, None]
    for name in [name for name in weights if "merger" in name and name.endswith("linear_fc2.weight")]:
        weights[name] *= np.float32(IMAGE_SCALE)
        weights[name.replace("weight", "bias")] = np.float32(-GELU_MEAN) * weights[name].sum(axis=1)
    return {name: torch.from_numpy(weight) for name, weight in weights.items()}


def _drawn(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    if "norm" in name or name.endswith("bias"):
        return np.full(shape, float(name.endswith("weight")), dtype=np.float32)
    values = random.standard_normal(shape, dtype=np.float32)
    if name.endswith("embed_tokens.weight"):
        return values
    if name.endswith("pos_embed.weight"):
        return values * np.float32(POSITION_STD)
    return values * np.float32(1 / math.sqrt(math.prod(shape[1:])))  # keeps the variance of what comes in
