"""Small files of a checkpoint folder, read with errors that say what was found instead. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from uninote.errors import UninoteError

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


class CheckpointError(UninoteError):
    """A folder that cannot be used as a checkpoint: what is missing, and what was found."""


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`. Raises CheckpointError."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds {type(value).__name__}, not an object")
    return value


def read_json(path: Path) -> Any:
    """Return what the JSON file `path` holds. Raises CheckpointError."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path.parent}: {path.name} cannot be read; found {listing(path.parent)}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not JSON: {error}") from error


class Content:
    """The bytes of files and their names below a folder, read once, to be named together with other things."""

    def __init__(self, folder: Path, paths: Iterable[Path]) -> None:
        """Read all of `paths`. Raises CheckpointError for one that cannot be read."""
        self._digest = hashlib.sha256()
        for path in paths:
            self._digest.update(f"{path.relative_to(folder).as_posix()}\0{_file_digest(path)}\0".encode())

    def identity(self, choices: object) -> str:
        """Return 16 hexadecimal characters over the files and `choices` (JSON)."""
        digest = self._digest.copy()
        digest.update(json.dumps(choices, sort_keys=True).encode())
        return digest.hexdigest()[:16]


def pickles_in(paths: Iterable[Path]) -> list[str]:
    """Return the names of those files that could run code when loaded."""
    return sorted(path.name for path in paths if path.suffix in PICKLES)


def listing(folder: Path) -> str:
    """Return what `folder` holds, for messages."""
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "an empty folder"


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path.parent}: {path.name} cannot be read; found {listing(path.parent)}") from error
