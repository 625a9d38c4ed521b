"""Settings of how much of a note the model sees."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from uninote.config.sections.base import Section
from uninote.model.identity.limits import SetLimits


class LimitsConfig(Section):
    """How much of a note a Qwen3-VL model sees; null: as much as the checkpoint says. Other limits are another generation.

    A prompt has at most `max_tokens`, those of images included; a note that is longer loses texts from their ends. Of a note's
    images the first `max_images` are seen, each resized to between `min_pixels` and `max_pixels`. Together they take at most
    `image_share` of the tokens beside the frame: beyond it the largest become smaller.
    """

    max_tokens: int | None = Field(None, ge=1)
    max_images: int | None = Field(None, ge=1)
    min_pixels: int | None = Field(None, ge=1)
    max_pixels: int | None = Field(None, ge=1)
    image_share: float | None = Field(None, gt=0, le=1)

    def set_limits(self) -> SetLimits:
        """Return them as models take them."""
        return SetLimits(**self.model_dump())

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.min_pixels is not None and self.max_pixels is not None and self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels {self.min_pixels} is more than max_pixels {self.max_pixels}")
        return self
