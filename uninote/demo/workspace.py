"""The demo's files, generated on first use and kept."""

from __future__ import annotations

from pathlib import Path

from uninote.config import DemoConfig
from uninote.demo.corpus import corpus_texts, make_corpus
from uninote.model.tiny import make_tiny_checkpoint


def demo_corpus(demo: DemoConfig) -> Path:
    """Return the folder of the demo corpus of this size and seed."""
    folder = Path(demo.folder) / f"corpus-{demo.notes}-{demo.seed}"
    if not folder.exists():
        make_corpus(folder, demo.notes, demo.seed)
    return folder


def demo_checkpoint(demo: DemoConfig) -> Path:
    """Return the folder of the demo's small encoder, whose tokenizer is trained on the demo corpus."""
    folder = Path(demo.folder) / f"model-{demo.notes}-{demo.seed}"
    if not folder.exists():
        make_tiny_checkpoint(folder, corpus_texts(demo_corpus(demo)), demo.seed)
    return folder
