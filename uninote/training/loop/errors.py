"""Why a training run cannot begin or go on."""

from __future__ import annotations

from uninote.errors import UninoteError


class TrainingError(UninoteError):
    """Training cannot begin or go on: what was found, where, and what to do."""
