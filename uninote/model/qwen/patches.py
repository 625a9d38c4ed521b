"""The patch embedding as a matrix product: a convolution whose kernel is its stride is nothing else.

transformers computes it with nn.Conv3d, for which some CUDA libraries have no fast kernel in bfloat16. Its own answer,
`fusion_config`, works in its `from_pretrained` alone, patches the library for all of the process and renames the weights.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionPatchEmbed

NOT_PADDED = (0, 0, 0)
NOT_DILATED = (1, 1, 1)


class LinearPatchEmbed(Qwen3VLVisionPatchEmbed):
    """The same parameters under the same names, equal to the convolution but for rounding."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return (patches, width) for flat patches (patches, channels x frames x height x width)."""
        convolution = self.proj
        # A view, so that memory-mapped weights stay shared between processes and gradients arrive.
        weight = convolution.weight.flatten(1)
        rows = hidden_states.view(-1, weight.shape[1])
        return nn.functional.linear(rows.to(weight.dtype), weight, convolution.bias)


def use_linear_patches(model: Any) -> None:
    """Make the patch embedding of a Qwen3VLModel a matrix product; one that overlaps or is padded stays as it is."""
    embedding = model.visual.patch_embed
    if type(embedding) is Qwen3VLVisionPatchEmbed and _is_product(embedding.proj):
        # Changing the class keeps parameters, names and hooks, so that weights are found as before.
        embedding.__class__ = LinearPatchEmbed


def _is_product(convolution: nn.Conv3d) -> bool:
    return (
        convolution.stride == convolution.kernel_size
        and convolution.padding == NOT_PADDED
        and convolution.dilation == NOT_DILATED
        and convolution.groups == 1
    )
