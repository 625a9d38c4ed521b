"""Settings of training: the training set, and the stages that train on it.

The defaults train the tiny model from scratch in CPU minutes, without a teacher.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from uninote.config.sections.base import DEMO, Location, Section, Width
from uninote.config.sections.limits import LimitsConfig

Depth = Annotated[tuple[Width, Width], Field(strict=False)]  # layers, and the width of vectors there


class LoraConfig(Section):
    """Low-rank adapters on the language model. `rank` 16 is the paper's; alpha, dropout and targets are ours."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), strict=False
    )


class ContrastiveConfig(Section):
    """Stage 1. `loss` symmetric_kl is the paper's and needs a teacher's scores; infonce does not.

    `in_batch`: infonce also takes the other positives of the batch as negatives. `negatives`: how many hard ones of an
    example are used, at most; `strategies` null means every one that the training set has, but note_to_note. One that
    `turns` names takes so many turns in each round, the others one.
    """

    loss: Literal["symmetric_kl", "infonce"] = "infonce"
    tau: float = Field(0.05, gt=0)
    in_batch: bool = True
    negatives: int = Field(8, ge=0)
    strategies: tuple[str, ...] | None = Field(None, strict=False, min_length=1)
    turns: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_negatives(self) -> Self:
        if not self.negatives and (self.loss == "symmetric_kl" or not self.in_batch):
            raise ValueError("negatives is 0; without in-batch negatives a positive has nothing to be told from")
        return self


class RankingConfig(Section):
    """Stage 2. `group` is G, `tau` turns cosines into the policy's probabilities, `beta` weighs the KL to the start."""

    group: int = Field(12, ge=2)
    tau: float = Field(0.05, gt=0)
    beta: float = Field(0.1, ge=0)


class TrainConfig(Section):
    """One stage of training: what is minimised, how, how far, and what is stored of the run.

    `batch` counts examples (queries). `widths` null means those that the starting checkpoint declares, as does `depths`:
    pairs [layers, width], from small to large, at which the model is trained as well to stop. `chunk_tokens`
    padded tokens are embedded at once; `keep_graphs` keeps all chunks' graphs (one pass, memory grows with the batch), else
    gradients are cached. `decay` follows a warm-up over `warmup` of the steps. `checkpoint_every` steps the state is written;
    a run that finds one goes on from it. `limits` say how much of a note the model sees, null as `model.limits` do; the
    checkpoint that is written declares them. `lora` null trains all weights. `stored_dtype` is that of the finished
    checkpoint's weights, null as they were trained. With `augment` items are varied; of a share `hide_texts` of a step's
    notes that have images these alone are shown.
    """

    stage: Literal["contrastive", "ranking"] = "contrastive"
    contrastive: ContrastiveConfig = ContrastiveConfig()
    ranking: RankingConfig = RankingConfig()
    limits: LimitsConfig | None = None
    lora: LoraConfig | None = None
    widths: tuple[Width, ...] | None = Field(None, strict=False, min_length=1)
    depths: tuple[Depth, ...] | None = Field(None, strict=False)
    steps: int = Field(400, ge=1)
    batch: int = Field(128, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    warmup: float = Field(0.1, ge=0, le=1)
    decay: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    weight_decay: float = Field(0.05, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    dtype: Literal["float32", "bfloat16"] = "float32"
    stored_dtype: Literal["float32", "bfloat16"] | None = None
    chunk_tokens: int = Field(1024, ge=1)
    keep_graphs: bool = False
    gradient_checkpointing: bool = False
    augment: bool = False
    hide_texts: float = Field(0.0, ge=0, lt=1)
    checkpoint_every: int = Field(200, ge=1)
    log_every: int = Field(10, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.widths is not None and list(self.widths) != sorted(set(self.widths)):
            raise ValueError(f"widths {list(self.widths)} should be ascending and different")
        for values in zip(*(self.depths or ()), strict=True):
            if list(values) != sorted(set(values)):
                raise ValueError(f"depths {list(map(list, self.depths or ()))} should go from small to large in both")
        return self


class TrainingConfig(Section):
    """What is trained on, and how. Of at most `max_notes` notes (null: all) examples are made, `per_note` of a strategy.

    Near-duplicates are one group, of which `max_per_group` are used; `eval_share` of the groups are held out. With
    `modal_replacement` the note that an image asks for has its description in its place; with `note_pairs` the halves of a
    note are a pair, which the paper leaves to its second stage, and with `shared_images` also a half and the other one with
    images of the first; each note is cut in up to `note_cuts` ways for these, with 2 and more also those with fewer than two
    images; with `undescribed_pairs` an image also asks for its note without it and without its description, and back; with
    `sibling_pairs` for another image of its note. `noise` notes stand beside the relevant ones of a ranked list.
    `teacher` model scores candidates with the configured encoder (none: captions are the only truth), or, of those it finds,
    with the function `judge` (module:function); of all candidates
    between `window` similarities, `negatives` drawn ones are hard negatives, and what comes within `margin` of the positive
    is none. With `window_unit` quantile the window lies between such shares of the teacher's own scores. A set in which
    more than `max_without_negatives` of a strategy's examples have none is refused. Training starts at `start` (demo: a new,
    small model), `contrastive` before `ranking`; null leaves one out. `processes` share each batch. `output` null is a folder
    in the lake.
    """

    max_notes: int | None = Field(None, ge=1)
    per_note: int = Field(2, ge=1)
    max_per_group: int = Field(20, ge=1)
    eval_share: float = Field(0.15, gt=0, lt=1)
    modal_replacement: bool = True
    note_pairs: bool = False
    shared_images: bool = False
    note_cuts: int = Field(1, ge=1)
    undescribed_pairs: bool = False
    sibling_pairs: bool = False
    noise: int = Field(20, ge=1)
    teacher: Literal["none", "model"] = "none"
    judge: str | None = Field(None, pattern=r"^[\w.]+:\w+$")
    window: tuple[float, float] = Field((0.5, 0.7), strict=False)
    window_unit: Literal["cosine", "quantile"] = "cosine"
    margin: float = Field(0.01, ge=0)
    negatives: int = Field(8, ge=0)
    max_without_negatives: float = Field(0.5, ge=0, le=1)
    seed: int = 0
    start: Location = DEMO
    contrastive: TrainConfig | None = TrainConfig()
    ranking: TrainConfig | None = None
    processes: int = Field(1, ge=1)
    output: Location | None = None

    def of_set(self) -> dict[str, Any]:
        """Return what a training set is made with: all but how a model is then trained on it."""
        return self.model_dump(mode="json", exclude={"start", "contrastive", "ranking", "processes", "output"})

    def images_seen(self, limits: LimitsConfig) -> int | None:
        """Return the fewest images of a note that any model may see, `limits` being those of `model`; null: none are set."""
        stages = [stage.limits for stage in (self.contrastive, self.ranking) if stage is not None]
        found = [one.max_images for one in (limits, *stages) if one is not None and one.max_images is not None]
        return min(found, default=None)

    @model_validator(mode="after")
    def _window_is_one(self) -> Self:
        low, high = self.window
        least, unit = (-1, "cosines, from -1") if self.window_unit == "cosine" else (0, "shares, from 0")
        if not least <= low < high <= 1:
            raise ValueError(f"window {list(self.window)} should be two {unit} to 1, the lower one first")
        return self

    @model_validator(mode="after")
    def _stages_are_in_place(self) -> Self:
        for name, stage in (("contrastive", self.contrastive), ("ranking", self.ranking)):
            if stage is not None and stage.stage != name:
                raise ValueError(f"{name}.stage should be {name}, not {stage.stage}")
        soft = self.contrastive is not None and self.contrastive.contrastive.loss == "symmetric_kl"
        if self.judge is not None and self.teacher == "none":
            raise ValueError("judge scores the candidates that a teacher finds; set training.teacher to model")
        if self.shared_images and not self.note_pairs:
            raise ValueError("shared_images is about halves of notes, which are no pairs; set training.note_pairs too")
        if soft and self.teacher == "none":
            raise ValueError("contrastive.loss symmetric_kl needs a teacher's scores; set training.teacher to model")
        if soft and not self.negatives:
            raise ValueError("contrastive.loss symmetric_kl needs hard negatives; training.negatives is 0")
        return self
