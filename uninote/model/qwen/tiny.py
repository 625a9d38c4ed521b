"""The size of the smallest model, and how a checkpoint is written in the layout of a published one."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import Qwen3VLModel

from uninote.model.identity.layouts import Limits, newest
from uninote.model.qwen.files.checkpoint import Card, write_card
from uninote.model.qwen.tiny_tokenizer import tokenizer_config
from uninote.model.qwen.tower import UniNote

WIDTHS = (64, 128, 256)
LIMITS = Limits(max_tokens=512, max_images=4, min_pixels=32 * 32, max_pixels=96 * 96)
PATCH = 16
MERGE = 2


def make_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Call `write` with a new folder that becomes `folder` once it is complete; one that is there is left as it is."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write(scratch)
        # A temporary folder is its owner's alone, and executors may run as somebody else.
        scratch.chmod(0o755)
        _publish(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_checkpoint(folder: Path, model: Qwen3VLModel, tokenizer: Tokenizer) -> None:
    """Write `model` and `tokenizer` in the published layout, with the tiny model's image settings, widths and limits."""
    UniNote(model).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", tokenizer_config(tokenizer))
    _write_json(folder / "preprocessor_config.json", _image_settings())
    write_card(folder, Card(WIDTHS[-1], WIDTHS, LIMITS, newest()))


def _publish(scratch: Path, folder: Path) -> None:
    try:
        scratch.rename(folder)
    except OSError:
        if not folder.exists():
            # Where the folder is there now, another process was faster, with the same content.
            raise


def tiny_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return config.json of the tiny model over `tokenizer`'s vocabulary."""
    text = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": WIDTHS[-1],
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 5_000_000, "mrope_section": [12, 10, 10], "mrope_interleaved": True,
        },
    }  # fmt: skip
    vision = {
        "depth": 2,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_heads": 4,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "num_position_embeddings": 64,
        "out_hidden_size": WIDTHS[-1],
        "deepstack_visual_indexes": [0],
    }
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"} | {
        "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>",
    }  # fmt: skip
    ids = {key: tokenizer.token_to_id(token) for key, token in names.items()}
    return {"text_config": text, "vision_config": vision, "tie_word_embeddings": True, **ids}


def _image_settings() -> dict[str, Any]:
    return {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "size": {"shortest_edge": LIMITS.min_pixels, "longest_edge": LIMITS.max_pixels},
        "patch_size": PATCH,
        "temporal_patch_size": 2,
        "merge_size": MERGE,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
