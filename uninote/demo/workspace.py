"""The demo's files: a corpus, generated on first use, and an encoder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from uninote.demo.corpus import make_corpus

# Raised with every change of what a seed writes: else a corpus of an earlier release is taken for that of this one.
EDITION = 2


def demo_corpus(below: str, notes: int, seed: int) -> Path:
    """Return the folder of the demo corpus of this size and seed, a folder in `below`."""
    folder = Path(below) / f"corpus-{notes}-{seed}-{EDITION}"
    if not folder.exists():
        make_corpus(folder, notes, seed)
    return folder


def demo_checkpoint() -> Path:
    """Return the folder of the small encoder that comes with the package: what it is and can do is in its README.md."""
    return Path(str(files("uninote.demo") / "model"))
