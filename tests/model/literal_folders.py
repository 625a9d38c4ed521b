"""Checkpoint folders of which every byte is written here, so that what they are called can be written here too."""

from __future__ import annotations

import json
import struct
from pathlib import Path


def write_published(folder: Path) -> Path:
    """A Qwen3-VL folder that declares nothing of ours; only its identity can be asked for."""
    folder.mkdir()
    text = {"hidden_size": 128}
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_vl", "text_config": text}))
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    (folder / "preprocessor_config.json").write_text('{"patch_size": 16}')
    (folder / "model.safetensors").write_bytes(_weights("model.norm.weight"))
    return folder


def write_declared(folder: Path) -> Path:
    """The same with limits, as an earlier release declared them."""
    write_published(folder)
    limits = {"max_tokens": 512, "max_images": 4, "min_pixels": 1024, "max_pixels": 9216}
    (folder / "uninote.json").write_text(json.dumps({"prompt_version": "1", "widths": [64, 128], **limits}))
    return folder


def write_sentences(folder: Path) -> Path:
    """A sentence-transformers folder of static embeddings."""
    folder.mkdir()
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.StaticEmbedding", "path": ""}]')
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    (folder / "model.safetensors").write_bytes(_weights("embedding.weight"))
    return folder


def _weights(name: str) -> bytes:
    """Return a safetensors file of one float32 (2, 4)."""
    header = json.dumps({name: {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]}}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<8f", *range(8))
