"""What stands around a note in the prompt of a chat model.

The frame is the published usage of Qwen3-VL-Embedding: the instruction in the system turn, the input in the user turn,
the generation prompt at the end, whose last token is pooled.
"""

from __future__ import annotations

from dataclasses import dataclass

INSTRUCTION = "Represent the user's input."


@dataclass(frozen=True)
class Frame:
    """What stands around a note's parts, and after a text that another part follows (none after an image, as published)."""

    opening: str
    closing: str
    separator: str


FRAME = Frame(
    opening=f"<|im_start|>system\n{INSTRUCTION}<|im_end|>\n<|im_start|>user\n",
    closing="<|im_end|>\n<|im_start|>assistant\n",
    separator="\n",
)
