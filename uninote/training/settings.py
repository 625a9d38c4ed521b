"""Settings of one stage of training, and the paper's own values for a real backbone with a teacher."""

from __future__ import annotations

from uninote.config.sections.limits import LimitsConfig
from uninote.config.sections.training import ContrastiveConfig, LoraConfig, RankingConfig, TrainConfig

__all__ = [
    "ContrastiveConfig",
    "LimitsConfig",
    "LoraConfig",
    "RankingConfig",
    "TrainConfig",
    "paper_stage_one",
    "paper_stage_two",
]


def paper_stage_one() -> TrainConfig:
    """Return the paper's first stage for Qwen3-VL-8B [stated]; decay, LoRA's alpha and clipping are ours."""
    return TrainConfig(
        contrastive=ContrastiveConfig(loss="symmetric_kl", tau=0.02, in_batch=False, negatives=8),
        limits=LimitsConfig(max_tokens=4096),
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
