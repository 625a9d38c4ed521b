"""Low-rank adapters (LoRA) on the language model of a tower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from uninote.training.loop.errors import TrainingError

if TYPE_CHECKING:  # settings need pydantic, which a machine that only computes may lack
    from uninote.config.sections.training import LoraConfig


def with_adapters(model: Any, lora: LoraConfig, seed: int) -> Any:
    """Return the Qwen3VLModel `model` with adapters, which alone are trained. Raises TrainingError without peft."""
    try:
        import peft
    except ImportError as error:
        raise TrainingError('LoRA needs peft; run: pip install "uninote[train]"') from error
    pattern = rf".*language_model.*\.({'|'.join(lora.targets)})"
    settings = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=pattern, bias="none"
    )
    # The adapters' first values are drawn at random.
    torch.manual_seed(seed)
    return peft.get_peft_model(model, settings)


def recompute_activations(model: Any) -> None:
    """Keep no activations for the backward pass: compute them again there."""
    # The variant that is not re-entrant takes keyword arguments, of which these layers have many, and restores autocast.
    model.gradient_checkpointing_enable({"use_reentrant": False})
    # With adapters the embeddings are frozen: a layer whose input asks for no gradient would be recomputed for nothing.
    model.enable_input_require_grads()
