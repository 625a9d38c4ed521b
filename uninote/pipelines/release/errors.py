"""What ends a refresh although its stages did their work."""

from __future__ import annotations

from uninote.errors import UninoteError


class GateError(UninoteError):
    """A release did not pass its gates: readers go on seeing the one before. Exit 3."""

    exit_code = 3


class PublishError(UninoteError):
    """The online store did not take a release, which is live in the lake."""
