"""A private copy of a sentence-transformers folder with axes beside the model: a checkpoint of its own, with narrow widths."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from uninote.model.sentence import folder as sentence_folder
from uninote.model.sentence.additions import AXES
from uninote.storage.host_copies import once_per_host


def turned_copy(folder: Path, axes: bytes) -> Path:
    """Return this machine's copy of the model in `folder` with `axes`, the content of such a file. Raises CheckpointError."""
    weights = sentence_folder.identify(folder).weights
    name = f"turned-{weights}-{hashlib.sha256(axes).hexdigest()[:16]}"
    return once_per_host(name, lambda copy: _fill(copy, folder, axes), name)


def _fill(copy: Path, folder: Path, axes: bytes) -> None:
    for path in sentence_folder.files(folder):
        place = copy / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    (copy / AXES).write_bytes(axes)
