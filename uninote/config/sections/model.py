"""Settings of the encoder, and of what it embeds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from uninote.config.sections.base import AUTO, Kind, Location, Section, Width
from uninote.config.sections.limits import LimitsConfig
from uninote.config.sections.vectors import VectorsConfig
from uninote.model.identity.layouts import LAYOUTS, known

Gpu = Literal["auto"] | bool


class ModelConfig(Section):
    """The encoder: a folder of one of the kinds in docs/encoders.md, local or `s3://`; or "e5", "demo" or "auto".

    `checkpoint` auto is the encoder that the lake's vectors are of; in a lake without vectors, "demo" for the demo corpus
    and "e5" for all other notes. `kind` auto is read off the folder. `allow_demo` lets the demo encoder embed notes that are
    not the demo's, of which it knows nothing. `rotate` turns the vectors of sentence-transformers models that declare no
    narrow widths to axes that hold at them; auto does so in lakes that have no vectors of the model yet. `dtype` is part of a
    generation: auto is that of the lake's vectors, and where it has none bfloat16 on GPUs and float32 on CPUs. `layout` is the
    number of what moves vectors beside the weights (docs/encoders.md); null: the one that the lake has of this model, or else
    the checkpoint's, or else the newest. `gpu` auto gives each task of the model a GPU where Spark's executors have any, and
    no other task; true asks for executors with one where they may come and go, and refuses a cluster without; false computes
    on CPUs. A checkpoint of up to `broadcast_mib` goes to workers with the job; each host fetches a larger one. `limits` say
    how much of a note it sees; with `checkpoint` auto null is what the lake's vectors were made with.
    """

    checkpoint: Location = AUTO
    kind: Literal["auto", "uninote", "sentence-transformers", "feature-hashing"] = "auto"
    allow_demo: bool = False
    rotate: Literal["auto"] | bool = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    layout: int | None = None
    gpu: Gpu = "auto"
    broadcast_mib: int = Field(2048, ge=0, le=2048)
    limits: LimitsConfig = LimitsConfig()

    @field_validator("layout")
    @classmethod
    def _is_known(cls, layout: int | None) -> int | None:
        if layout is not None and layout not in LAYOUTS:
            raise ValueError(
                f"{layout} is no layout that this release knows, which are {known()}; null keeps the lake's"
            )
        return layout


class EmbedConfig(Section):
    """What gets vectors, at which widths, and in which portions.

    `batch_tokens` is the most padded tokens of a batch of the model; null: 2,048 on a CPU, on a GPU as many as it holds.
    `widths` null means every width the checkpoint declares; others are refused unless `undeclared_widths` is true. `layers`
    computes so many of the model's first layers, of which the checkpoint must declare a depth; it is part of the generation,
    and null means all.
    `kinds` beside note make vectors of single images, texts and OCR strings. `chunk_items` are committed together: what a
    killed run computes again is at most that. `recheck_media` looks at size and time of every image in each run; without
    it an image replaced under its old name is noticed only when its note changes. `retry_quarantined` tries again what
    was set aside, and notes embedded without a broken part. `check_vectors` reads all stored vectors first, and embeds again
    what is damaged or lacking. `vectors_from` takes vectors that somebody made elsewhere in the place of the model's.
    A run stops once the model gets to see only a part of the text of more than `max_cut_share` of
    all notes, or not all images of more than `max_lacking_images_share`; 1 allows any. A text model sees no image at all.

    A run stops before it writes where it would compute more than `max_changed_share` of the items that have a vector again, be
    it for another model; null: more than half of them, and more than 1,000. It stops as well where one vector stands for more
    than `max_equal_share` of different contents. Up to `canaries` notes that have a vector are embedded again before the first
    new one and compared: 0 leaves that out.
    """

    widths: tuple[Width, ...] | None = Field(None, strict=False)
    undeclared_widths: bool = False
    layers: int | None = Field(None, ge=1)
    kinds: tuple[Kind, ...] = Field(("note",), strict=False)
    batch_tokens: int | None = Field(None, ge=1)
    items_per_task: int = Field(2000, ge=1)
    chunk_items: int = Field(20_000, ge=1)
    recheck_media: bool = True
    retry_quarantined: bool = False
    check_vectors: bool = False
    max_quarantined_share: float = Field(0.5, ge=0, le=1)
    max_cut_share: float = Field(1.0, ge=0, le=1)
    max_lacking_images_share: float = Field(1.0, ge=0, le=1)
    max_changed_share: float | None = Field(None, ge=0, le=1)
    max_equal_share: float = Field(0.01, ge=0, le=1)
    canaries: int = Field(200, ge=0)
    vectors_from: VectorsConfig | None = None

    @field_validator("kinds")
    @classmethod
    def _has_notes(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if "note" not in kinds:
            raise ValueError("should name note: what other jobs read are vectors of notes")
        return tuple(sorted(set(kinds)))

    @model_validator(mode="after")
    def _has_vectors_of_notes_alone(self) -> Self:
        if self.vectors_from is not None and self.kinds != ("note",):
            raise ValueError(
                "vectors_from has vectors of notes alone; set embed.kinds=[note], or take vectors_from out"
            )
        return self
