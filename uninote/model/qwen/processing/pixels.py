"""Images into the numbers that the tower reads: bytes in the order of patches here, float32 on the device.

transformers' image processor makes float32 patches on the CPU: 15 ms for an image of 512 x 512 pixels, while a GPU waits, and
eight times the bytes to move to it. Reordering bytes takes .6 ms, in the threads that prepare notes, and the rest is a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from uninote.errors import UninoteError
from uninote.model.compute.transfer import to_device

BYTES = 256
CHANNELS = 3
LEAST_EDGE = 16  # whose square is BYTES


@dataclass(frozen=True, slots=True)
class PatchedImage:
    """An image as bytes in patches: uint8 (patches, 3, patch_size ** 2), those that are merged side by side.

    `grid` has frames, rows and columns of patches.
    """

    patches: np.ndarray
    grid: tuple[int, int, int]


class PixelReader:
    """Does what an image processor does with images of their final size, bit by bit, with the values read off it."""

    def __init__(self, images: Qwen2VLImageProcessorPil) -> None:
        """Raise UninoteError where the processor orders or combines pixels otherwise."""
        self.patch_size: int = images.patch_size
        self.merge_size: int = images.merge_size
        self._frames: int = images.temporal_patch_size
        # Room for every byte and for two merged patches in each direction; noise, so that another order would show.
        grid = self.patch_size * self.merge_size
        edge = grid * max(2, -(-LEAST_EDGE // grid))
        image = np.random.default_rng(0).integers(0, BYTES, (edge, edge, CHANNELS), np.uint8)
        image.reshape(-1, CHANNELS)[:BYTES] = np.arange(BYTES, dtype=np.uint8)[:, None]
        expected = np.asarray(images([image], do_resize=False, input_data_format="channels_last")["pixel_values"])
        patches = self.in_patches(image).patches
        self._values = self._read_off(patches, expected)
        if not np.array_equal(self._pixel_values(torch.from_numpy(patches)).numpy(), expected):
            raise UninoteError(
                "the image processor of this version of transformers orders pixels in another way than expected; "
                "install a version that setup.py names"
            )

    def in_patches(self, image: np.ndarray) -> PatchedImage:
        """Return an image, uint8 (height, width, 3), whose sides are multiples of merged patches."""
        patch, merge = self.patch_size, self.merge_size
        height, width = image.shape[:2]
        split = image.reshape(height // (merge * patch), merge, patch, width // (merge * patch), merge, patch, CHANNELS)
        patches = split.transpose(0, 3, 1, 4, 6, 2, 5).reshape(-1, CHANNELS, patch * patch)
        return PatchedImage(patches, (1, height // patch, width // patch))

    def features(self, images: Sequence[PatchedImage], device: torch.device) -> dict[str, Tensor]:
        """Return pixel_values, float32, and image_grid_thw, int64 (images, 3), as Qwen3VLModel.forward takes them."""
        arrays = {
            "patches": np.concatenate([image.patches for image in images]),
            "image_grid_thw": np.array([image.grid for image in images], dtype=np.int64),
        }
        moved = to_device({name: torch.from_numpy(array) for name, array in arrays.items()}, device)
        return {"pixel_values": self._pixel_values(moved["patches"]), "image_grid_thw": moved["image_grid_thw"]}

    def _pixel_values(self, patches: Tensor) -> Tensor:
        values = self._values.to(patches.device)
        count, _, pixels = patches.shape
        # The frames of a still image are equal: each value is written to all of them.
        found = torch.empty(count, CHANNELS, self._frames, pixels, device=patches.device)
        for channel in range(CHANNELS):
            # One table of 256 values a channel: exact on every device, where the arithmetic's rounding may differ.
            places = patches[:, channel].flatten().int()
            found[:, channel] = values[channel].index_select(0, places).view(count, 1, pixels)
        return found.view(count, -1)

    def _read_off(self, patches: np.ndarray, expected: np.ndarray) -> Tensor:
        """Return float32 (3, 256): what the processor makes of each byte in each channel."""
        values = np.empty((CHANNELS, BYTES), np.float32)
        first = expected.reshape(len(patches), CHANNELS, self._frames, -1)[:, :, 0]
        for channel in range(CHANNELS):
            values[channel, patches[:, channel]] = first[:, channel]
        return torch.from_numpy(values)
