"""Settings of the index, and of searches in it."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from uninote.config.sections.base import Kind, Location, Section, Width


class IndexConfig(Section):
    """What is indexed, how finely, and within which memory; null means planned (`jobs/index.py --dry-run` shows how).

    `widths` null means every embedded width. `folder` holds the index files instead of the lake, and may be `s3://…`.
    `recall_target` is for recall@K of a search, against exact; it steers the codes and, where `nprobe` is null, how many
    lists a search looks into; null is 0.95, and 0.9 for codes alone. `pq_m` are bytes of a code. With `rerank`, vectors lie
    beside the codes, and searches rank again by them. `serve_mib` bounds all files of one width and what one process holds
    beside them, `task_mib` the memory of one building task; where they have no room for vectors, codes stand alone. What
    changed since the base was built is a segment beside it; at `compact_share` of the base, a new base is built. Past
    `max_drift`, see docs/index.md, a new template is due: `retrain` warn says so, auto trains it, now always.
    """

    folder: Location | None = None
    widths: tuple[Width, ...] | None = Field(None, strict=False)
    kinds: tuple[Kind, ...] = Field(("note",), strict=False, min_length=1)
    nlist: int | None = Field(None, ge=1)
    pq_m: int | None = Field(None, ge=1)
    opq: bool = False
    num_shards: int | None = Field(None, ge=1)
    recall_target: float | None = Field(None, ge=0, le=1)
    rerank: bool = True
    serve_mib: int | None = Field(None, ge=1)
    task_mib: int = Field(2048, ge=1)
    nprobe: int | None = Field(None, ge=1)
    compact_share: float = Field(0.2, ge=0)
    max_drift: float = Field(1.5, gt=1)
    retrain: Literal["warn", "auto", "now"] = "warn"
    seed: int = 0


class SearchConfig(Section):
    """What `jobs/search.py` looks for: every row of `queries`, any source that ingest reads, gets the `k` nearest notes.

    Instead of `queries`, `items` takes the lake's own images, texts or OCR strings (`embed.kinds` must name them). Answers go
    to the Delta table `output`. `width` null means the widest index; `nprobe` null what the index was calibrated
    to. With `rerank_width`, `rerank_depth` times `k` notes are found first (null: 4, and 8 with `hubness`), and ranked again
    by their vectors of that width. `only` and `never` hold values of category, author, language or visibility that a note
    must, or must not, have.

    `fusion` says what a query of several parts asks for: note embeds it as one note; parts embeds its text and each image apart
    as well, and ranks lower what fits only some of them. `weights` of kinds (note, image, text, ocr) make a note's score the
    weighted sum of those of its best item of each kind. Both score `rerank_depth` times `k` notes by their stored vectors.

    With `hubness` queries, as many notes are ranked by their scores less how near they are to a bank of queries, at
    `hubness_temperature` (docs/index.md). `bank` is the source that `jobs/search.py --make-bank` makes one of, of `bank_size`
    different queries at most; `bank_version` null is the newest.
    """

    queries: Location | None = None
    items: Literal["image", "text", "ocr"] | None = None
    output: Location | None = None
    width: Width | None = None
    k: int = Field(20, ge=1)
    nprobe: int | None = Field(None, ge=1)
    rerank_width: Width | None = None
    rerank_depth: int | None = Field(None, ge=1)
    only: dict[str, list[str]] = Field(default_factory=dict)
    never: dict[str, list[str]] = Field(default_factory=dict)
    fusion: Literal["note", "parts"] = "note"
    weights: dict[Kind, float] = Field(default_factory=dict)
    hubness: Literal["none", "queries"] = "none"
    hubness_temperature: float = Field(0.05, gt=0, le=1)
    bank: Location | None = None
    bank_size: int = Field(2000, ge=100, le=20_000)
    bank_version: int | None = Field(None, ge=1)

    @field_validator("weights")
    @classmethod
    def _weigh_something(cls, weights: dict[Kind, float]) -> dict[Kind, float]:
        for kind, weight in weights.items():
            if not 0 <= weight < math.inf:
                raise ValueError(f"{kind} is weighed {weight}; a weight should be 0 or more, and finite")
        if weights and not any(weights.values()):
            raise ValueError("all weights are 0, and all notes would score alike; give one kind more than 0")
        return weights

    @model_validator(mode="after")
    def _scores_in_one_way(self) -> Self:
        if self.fusion == "parts" and self.items is not None:
            raise ValueError(
                "fusion: parts is for queries of several parts, and search.items are single ones; drop one"
            )
        if self.fusion == "parts" and self.weights:
            raise ValueError("weights are of a note's items, fusion: parts of a query's parts; set one of the two")
        if self.hubness == "queries" and (self.fusion == "parts" or self.weights):
            raise ValueError(
                "hubness: queries corrects scores of a note and a query as wholes; drop it, or weights and fusion: parts"
            )
        return self

    @property
    def depth(self) -> int:
        """How many times `k` notes are found before they are ranked again."""
        return self.rerank_depth or (8 if self.hubness == "queries" else 4)

    @property
    def scores_stored(self) -> bool:
        """Say whether the index's candidates are scored by stored vectors."""
        asked = (self.rerank_width is not None, self.fusion == "parts", bool(self.weights), self.hubness == "queries")
        return any(asked)
