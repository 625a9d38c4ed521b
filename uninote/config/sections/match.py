"""Settings of matches: samples that every note is compared with, and the scores from which a note counts as found."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from uninote.config.sections.base import Kind, Location, Section

KINDS: tuple[Kind, ...] = ("note", "image", "text", "ocr")
ANY = "*"  # the category whose thresholds all others have that have none of their own


class ThresholdConfig(Section):
    """The least score of a match for `act` and for `review`."""

    act: float
    review: float

    @model_validator(mode="after")
    def _are_reachable(self) -> Self:
        for name, value in (("act", self.act), ("review", self.review)):
            if not -1 < value <= 1:
                raise ValueError(f"{name} is {value}, and no score is above 1 or below -1; give a cosine between them")
        if self.act < self.review:
            raise ValueError(
                f"act is {self.act}, which is less than review, {self.review}; act on fewer than are reviewed"
            )
        return self


class VolumeConfig(Section):
    """How many notes a night may be found in one category, by each pair of kinds, for `act` and for `review`."""

    act: float = Field(gt=0)
    review: float = Field(gt=0)

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.act > self.review:
            raise ValueError(f"act is {self.act} notes, more than review, {self.review}; every note acted on is found")
        return self


class RateConfig(Section):
    """How many false matches a note may come to, on average, in one category, by each pair of kinds."""

    act: float = Field(gt=0, lt=1)
    review: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.act > self.review:
            raise ValueError(f"act is {self.act}, more than review, {self.review}; every note acted on is found")
        return self


class MatchConfig(Section):
    """What is matched; off where `gallery` is null. It is a table or folder as `ingest.source` knows them, of samples.

    `columns` maps a field of an entry (note_id: its id, category, author: who added it, caption: why, visibility: whether it
    is enabled, and the contents of notes) to the gallery's column where the guess is wrong. `kinds` are those of the parts
    of an entry that are looked for.
    `thresholds` are by category, or `*`, and pair of kinds, the entry's first: `image-note` holds an entry's image against
    a whole note. They go before fitted ones; where both lack, a pair is compared and counted, and nothing is found by it.
    `volumes`, by category or `*`, are what `jobs/match.py --calibrate` fits thresholds to, for `notes_per_night` new and
    edited notes; null: as many as the ledger says. `rates` go before volumes: of false matches, counted on notes in the file
    `judged`, whose rows have note_id, entry_id, relevant, and perhaps the probability with which the note was drawn.
    `near_copies` finds images by what they look like as well, by PDQ hashes, with any model that sees images. `generation` is
    the one for which `thresholds` were chosen; null: any.
    """

    gallery: Location | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    kinds: tuple[Kind, ...] = Field(KINDS, strict=False, min_length=1)
    thresholds: dict[str, dict[str, ThresholdConfig]] = Field(default_factory=dict)
    volumes: dict[str, VolumeConfig] = Field(default_factory=dict)
    notes_per_night: int | None = Field(None, ge=1)
    rates: dict[str, RateConfig] = Field(default_factory=dict)
    judged: Location | None = None
    near_copies: bool = False
    generation: str | None = None

    @field_validator("thresholds")
    @classmethod
    def _name_pairs(cls, thresholds: dict[str, dict[str, ThresholdConfig]]) -> dict[str, dict[str, ThresholdConfig]]:
        known = {f"{entry}-{note}" for entry in KINDS for note in KINDS}
        for category, pairs in thresholds.items():
            for pair in pairs:
                if pair not in known:
                    raise ValueError(
                        f"{category} has thresholds for {pair!r}; a pair is a kind of the entry and one of the note out of "
                        f"{', '.join(KINDS)}, such as image-note"
                    )
        return thresholds
