"""Settings of training as typed, frozen objects: every key, its default, and its rule.

The defaults train the tiny model from scratch in CPU minutes, without a teacher. The paper's own values, for a real
backbone with a teacher, are `paper_stage_one()` and `paper_stage_two()`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Width = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LoraConfig(_Section):
    """Low-rank adapters on the language model. `rank` 16 is the paper's; alpha, dropout and targets are ours."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), strict=False
    )


class ContrastiveConfig(_Section):
    """Stage 1. `loss` symmetric_kl is the paper's and needs a teacher's scores; infonce does not.

    `in_batch`: infonce also takes the other positives of the batch as negatives. `negatives`: how many hard ones of an
    example are used, at most; `strategies` null means every one of the nine that the training set has.
    """

    loss: Literal["symmetric_kl", "infonce"] = "infonce"
    tau: float = Field(0.05, gt=0)
    in_batch: bool = True
    negatives: int = Field(8, ge=0)
    strategies: tuple[str, ...] | None = Field(None, strict=False)

    @model_validator(mode="after")
    def _has_negatives(self) -> Self:
        if not self.negatives and (self.loss == "symmetric_kl" or not self.in_batch):
            raise ValueError("negatives is 0; without in-batch negatives a positive has nothing to be told from")
        return self


class RankingConfig(_Section):
    """Stage 2. `group` is G, `tau` turns cosines into the policy's probabilities, `beta` weighs the KL to the start."""

    group: int = Field(12, ge=2)
    tau: float = Field(0.05, gt=0)
    beta: float = Field(0.1, ge=0)


class TrainConfig(_Section):
    """One stage of training: what is minimised, how, how far, and how the run is kept.

    `batch` counts examples (queries). `widths` null means those that the starting checkpoint declares. `chunk_tokens`
    padded tokens are embedded at once; `keep_graphs` keeps all chunks' graphs (one pass, memory grows with the batch), else
    gradients are cached. `decay` follows a warm-up over `warmup` of the steps. `checkpoint_every` steps the state is written;
    a run that finds one goes on from it. `lora` null trains all weights. `stored_dtype` is that of the finished checkpoint's
    weights, null as they were trained.
    """

    stage: Literal["contrastive", "ranking"] = "contrastive"
    contrastive: ContrastiveConfig = ContrastiveConfig()
    ranking: RankingConfig = RankingConfig()
    lora: LoraConfig | None = None
    widths: tuple[Width, ...] | None = Field(None, strict=False, min_length=1)
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
    checkpoint_every: int = Field(200, ge=1)
    log_every: int = Field(10, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.widths is not None and list(self.widths) != sorted(set(self.widths)):
            raise ValueError(f"widths {list(self.widths)} should be ascending and different")
        return self


def paper_stage_one() -> TrainConfig:
    """Return the paper's first stage for Qwen3-VL-8B [stated]; decay, LoRA's alpha and clipping are ours."""
    return TrainConfig(
        contrastive=ContrastiveConfig(loss="symmetric_kl", tau=0.02, in_batch=False, negatives=8),
        lora=LoraConfig(),
        widths=(64, 512, 1024, 4096),
        steps=4000,
        batch=64,
        learning_rate=1e-4,
        warmup=0.1,
        decay="linear",
        weight_decay=0.01,
        dtype="bfloat16",
        gradient_checkpointing=True,
    )


def paper_stage_two() -> TrainConfig:
    """Return the paper's second stage [stated]: 60,000 samples, one epoch, batch 8, lr 5e-7; G, tau and beta are ours."""
    changes = {"stage": "ranking", "steps": 7500, "batch": 8, "learning_rate": 5e-7}
    return paper_stage_one().model_copy(update=changes)
