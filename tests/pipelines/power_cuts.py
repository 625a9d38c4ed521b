"""Runs of embed that end as a power cut would end them: in the middle of a commit, without another word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from uninote.pipelines.embed import commit as embed_commit


@contextmanager
def power_cut_at(monkeypatch: pytest.MonkeyPatch, table: str) -> Iterator[None]:
    """Let embed die when it writes `table`; what is run within the context must come that far."""
    real = embed_commit.tables.apply_changes

    def die(changes, spec, uri, *where, **rows):
        if spec.name == table:
            raise RuntimeError("power cut")
        real(changes, spec, uri, *where, **rows)

    with monkeypatch.context() as patch:
        patch.setattr(embed_commit.tables, "apply_changes", die)
        with pytest.raises(RuntimeError, match="power cut"):
            yield
