"""Limits that a configuration sets in the place of a checkpoint's own. They move vectors, and are part of their generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.layouts import Limits


@dataclass(frozen=True)
class SetLimits:
    """The fields of Limits; null leaves the checkpoint's own."""

    max_tokens: int | None = None
    max_images: int | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    image_share: float | None = None

    def over(self, own: Limits) -> Limits:
        """Return a checkpoint's `own` limits with those that are set."""
        return replace(own, **self.given())

    def changes(self, own: Limits) -> dict[str, Any]:
        """Return what is set to something else than a checkpoint's `own` limits, by name."""
        return {name: value for name, value in self.given().items() if value != getattr(own, name)}

    def given(self) -> dict[str, Any]:
        """Return what is set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __bool__(self) -> bool:
        """Say whether anything is set."""
        return bool(self.given())

    @classmethod
    def of(cls, values: Mapping[str, Any], place: str) -> SetLimits:
        """Return what a record in `place` holds. Raises CheckpointError for a limit that this release does not know."""
        if unknown := sorted(values.keys() - {field.name for field in fields(cls)}):
            raise CheckpointError(
                f"{place}: made with limits that this release does not know: {', '.join(unknown)}. Install the release that "
                "made it"
            )
        return cls(**values)


NOTHING_SET = SetLimits()
