"""Why a training set cannot be used."""

from __future__ import annotations

from uninote.errors import UninoteError


class TrainingSetError(UninoteError):
    """A training set that cannot be used: which file, what is wrong with it, and the rule."""
