"""Settings of the codes of notes: residual k-means over their vectors."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from uninote.config.sections.base import Section, Width

_BITS = 62  # that the codes before the last may take together


class CodesConfig(Section):
    """Whether notes have codes, and how a codebook is fitted. `enabled` null: a refresh codes where a lake has codes already.

    Of `width`, null: the widest, a codebook has `levels` of `size` codes, none of which more than `most` times 1/`size` of the
    notes have. It is fitted to `fit_notes` notes. Above `max_drift`, the mean squared distance of new notes to their codes by
    that of the notes of the fit's time, a run asks for a new codebook. Settings of the fit take effect with that.
    """

    enabled: bool | None = None
    width: Width | None = None
    levels: int = Field(3, ge=1, le=8)
    size: int = Field(256, ge=2, le=65_536)
    most: float = Field(3.0, gt=1)
    fit_notes: int = Field(65_536, ge=2)
    max_drift: float = Field(1.25, gt=1)
    seed: int = 0

    @model_validator(mode="after")
    def _fit_into_a_number(self) -> Self:
        if self.levels * math.log2(self.size) > _BITS:
            raise ValueError(
                f"{self.levels} levels of {self.size} codes have more than 2^{_BITS} combinations; ask for fewer levels, or "
                "fewer codes"
            )
        return self
