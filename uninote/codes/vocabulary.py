"""The tokens that ids are written with: what a tokenizer has to learn before a model reads or writes ids."""

from __future__ import annotations

import numpy as np

from uninote.codes.printing import token
from uninote.codes.stored import read_codebook
from uninote.lake.releases.pointer import live_release
from uninote.lake.releases.record import Release, ReleaseError
from uninote.lake.small_tables import read_batches
from uninote.storage.lake_files import join


def tokens(lake: str) -> list[str]:
    """Return the tokens of the ids of the live release of the lake at `lake`: "<a_0>", "<a_1>", …, by level and code.

    Of the codebook's levels there are all codes, used or not, so that new notes need no new tokens for as long as the codebook
    lives; of the last level, which has no limit, those up to the greatest in use, of notes that are gone too. Raises
    ReleaseError where there is no release with codes.
    """
    root = str(lake)
    release = live_release(root)
    path = None if release is None else f"{release.generation}/codes"
    if release is None or path not in release.tables:
        raise ReleaseError(
            f"{root} has no release with codes; run jobs/refresh.py, or jobs/codes.py and then jobs/release.py"
        )
    codebook = read_codebook(*_table(root, release, "codebooks"))
    if codebook is None:
        raise ReleaseError(
            f"release {release.id} of {root} has codes and no codebook; run jobs/codes.py --new-codebook"
        )
    found = []
    for level in range(codebook.levels):
        found += [token(level, code) for code in range(codebook.size)]
    last = _greatest(*_table(root, release, "codes"), codebook.version, codebook.levels)
    return found + [token(codebook.levels, code) for code in range(last + 1)]


def _table(root: str, release: Release, name: str) -> tuple[str, int]:
    path = f"{release.generation}/{name}"
    return join(root, path), release.tables[path]


def _greatest(uri: str, version: int, codebook: int, levels: int) -> int:
    """Return the greatest last code that a codebook has given, -1 where it gave none."""
    greatest = -1
    for batch in read_batches(uri, ("codes", "codebook"), version):
        mine = batch.filter(batch["codebook"].to_numpy() == codebook)
        codes = mine["codes"].flatten().to_numpy().reshape(-1, levels + 1)
        greatest = max(greatest, int(np.max(codes[:, -1], initial=-1)))
    return greatest
