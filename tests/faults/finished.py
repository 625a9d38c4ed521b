"""Which points passed before: a run that was stopped goes on with the others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from killing import ROOT


class Finished:
    """The names of the points that passed with a seed and this very code, in a file below `folder`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._file = folder / f"{seed}-{_code_digest()}"

    def has(self, name: str) -> bool:
        """Say whether the point passed."""
        return self._file.exists() and name in self._file.read_text().splitlines()

    def add(self, name: str) -> None:
        """Note that it passed."""
        with self._file.open("a") as file:
            file.write(f"{name}\n")


def _code_digest() -> str:
    """Return a mark of the code: what passed with other code is tried again."""
    digest = hashlib.sha256()
    for top in ("jobs", "udfs", "uninote", "tests/faults"):
        for path in sorted((ROOT / top).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
