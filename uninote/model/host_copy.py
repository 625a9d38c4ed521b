"""A checkpoint's weights as float32 on disk, so that all processes of a host compute with one memory-mapped copy."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from uninote.model.identity.folders import CheckpointError

CHUNK_BYTES = 4 << 20


@dataclass(frozen=True)
class _Tensor:
    name: str
    dtype: str
    shape: list[int]
    start: int  # in the file
    size: int  # bytes


def to_float32(folder: Path) -> None:
    """Rewrite the float16 and bfloat16 weights of every safetensors file below `folder` as float32, in place.

    For a host's private copy, once, before anything loads it: the generation is that of the original files. Files are
    replaced one after another, each at once; some ten MB of memory are enough. Raises CheckpointError for a file that is
    not safetensors.
    """
    for path in sorted(folder.rglob("*.safetensors")):
        with path.open("rb") as source:
            tensors, metadata = _read_header(path, source)
            if any(tensor.dtype in _WIDEN for tensor in tensors):
                _replace(path, _converted(source, tensors, metadata))


def _read_header(path: Path, source: BinaryIO) -> tuple[list[_Tensor], object]:
    """Return the tensors, those of large items first, which keeps every one aligned whatever the others become."""
    try:
        (length,) = struct.unpack("<Q", source.read(8))
        # Checked first: what is no header may ask for any number of bytes.
        if length > path.stat().st_size:
            raise ValueError(f"a header of {length} bytes in a file of {path.stat().st_size}")
        header = json.loads(source.read(length))
        metadata = header.pop("__metadata__", None)
        tensors = [_tensor(name, entry, 8 + length) for name, entry in header.items()]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error
    return sorted(tensors, key=lambda tensor: (-_item_bytes(tensor), tensor.name)), metadata


def _tensor(name: str, entry: dict[str, Any], data: int) -> _Tensor:
    start, end = entry["data_offsets"]
    return _Tensor(name, entry["dtype"], entry["shape"], data + start, end - start)


def _item_bytes(tensor: _Tensor) -> int:
    count = int(np.prod(tensor.shape, dtype=np.int64))
    return 4 if tensor.dtype in _WIDEN else tensor.size // max(1, count)


def _converted(source: BinaryIO, tensors: list[_Tensor], metadata: object) -> Iterator[bytes]:
    """Yield a safetensors file, in pieces."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for tensor in tensors:
        start = end
        end = end + tensor.size * (2 if tensor.dtype in _WIDEN else 1)
        dtype = "F32" if tensor.dtype in _WIDEN else tensor.dtype
        header[tensor.name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end]}
    written = json.dumps(header).encode()
    # The header is padded, so that the tensors after it are aligned to 8 bytes.
    written += b" " * (-len(written) % 8)
    yield struct.pack("<Q", len(written)) + written
    for tensor in tensors:
        widen = _WIDEN.get(tensor.dtype, bytes)
        source.seek(tensor.start)
        for left in range(tensor.size, 0, -CHUNK_BYTES):
            yield widen(source.read(min(left, CHUNK_BYTES)))


def _replace(path: Path, content: Iterator[bytes]) -> None:
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in content:
                file.write(piece)
        # A temporary file is readable by its owner alone, and executors may run as somebody else.
        os.chmod(scratch, path.stat().st_mode)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def _from_bfloat16(piece: bytes) -> bytes:
    return (np.frombuffer(piece, dtype="<u2").astype("<u4") << 16).tobytes()


def _from_float16(piece: bytes) -> bytes:
    return np.frombuffer(piece, dtype="<f2").astype("<f4").tobytes()


_WIDEN: dict[str, Callable[[bytes], bytes]] = {"BF16": _from_bfloat16, "F16": _from_float16}
