"""A codebook as bytes and as a file: safetensors, with what is no array in its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from uninote.codes.codebook import Codebook, CodebookError

FILE = "codebook.safetensors"
_FORMAT = "1"
_HEADER_LENGTH = 8  # bytes, little-endian, at the beginning of the format
_ARRAYS = ("centre", "centroids", "prices")


def to_bytes(codebook: Codebook) -> bytes:
    """Return the codebook as a file's content, which holds its fingerprint."""
    # The library writes an array's memory as it lies: one that is transposed would come back so.
    arrays = {name: np.ascontiguousarray(getattr(codebook, name), np.float32) for name in _ARRAYS}
    facts = {
        "format": _FORMAT,
        "version": str(codebook.version),
        "generation": codebook.generation,
        "errors": json.dumps(codebook.errors),
        "fingerprint": codebook.fingerprint,
    }
    return save(arrays, metadata=facts)


def from_bytes(content: bytes, place: str) -> Codebook:
    """Return the codebook that `to_bytes` wrote; `place` names it in errors.

    Raises CodebookError where it is no codebook, damaged, or of another format.
    """
    try:
        facts = _facts(content)
        arrays = load(content)
        codebook = Codebook(
            version=int(facts["version"]),
            generation=facts["generation"],
            errors=tuple(json.loads(facts["errors"])),
            **{name: arrays[name] for name in _ARRAYS},
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CodebookError(f"{place} is not a codebook that this version reads ({error}); restore it") from error
    if codebook.fingerprint != facts["fingerprint"]:
        raise CodebookError(
            f"{place} has fingerprint {codebook.fingerprint} and says {facts['fingerprint']}: it is damaged; restore it"
        )
    return codebook


def _facts(content: bytes) -> dict[str, Any]:
    """Return the header's own entries. Raises ValueError where there are none of this format."""
    length = int.from_bytes(content[:_HEADER_LENGTH], "little")
    facts: dict[str, Any] = json.loads(content[_HEADER_LENGTH : _HEADER_LENGTH + length])["__metadata__"]
    if facts["format"] != _FORMAT:
        raise ValueError(f"format {facts['format']}, not {_FORMAT}")
    return facts


def save_codebook(codebook: Codebook, folder: Path) -> None:
    """Write the codebook into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(to_bytes(codebook))


def open_codebook(folder: Path) -> Codebook:
    """Return the codebook in `folder`. Raises CodebookError where there is none, or a damaged one."""
    try:
        content = (folder / FILE).read_bytes()
    except OSError as error:
        raise CodebookError(f"{folder} has no {FILE} that can be read: {error.strerror}") from error
    return from_bytes(content, str(folder / FILE))
