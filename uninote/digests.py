"""A short name for settings and versions, by which a stage sees whether a result was made from the same ones."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(*values: Any) -> str:
    """Return 16 hexadecimal characters of SHA-256 over the canonical JSON of `values`, keys sorted.

    Raises TypeError for a value that JSON does not have.
    """
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


_SEED = 42  # Spark's, of its function xxhash64
_WORD = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def spark_xxhash64(value: int | str) -> int:
    """Return what Spark's `xxhash64` makes of a bigint or a string: XXH64 of its bytes, as a signed number."""
    data = value.encode() if isinstance(value, str) else value.to_bytes(8, "little", signed=True)
    place = 0
    if len(data) >= 32:
        lanes = [_SEED + _P1 + _P2, _SEED + _P2, _SEED, _SEED - _P1]
        for place in range(0, len(data) - 31, 32):
            for lane in range(4):
                lanes[lane] = _round(lanes[lane], _number(data, place + 8 * lane, 8))
        place += 32
        found = sum(_turned(one, by) for one, by in zip(lanes, (1, 7, 12, 18), strict=True))
        for one in lanes:
            found = (found ^ _round(0, one)) * _P1 + _P4
    else:
        found = _SEED + _P5
    return _ended(found + len(data), data[place:])


def _ended(found: int, rest: bytes) -> int:
    place = 0
    while place + 8 <= len(rest):
        found = _turned(found ^ _round(0, _number(rest, place, 8)), 27) * _P1 + _P4
        place += 8
    if place + 4 <= len(rest):
        found = _turned(found ^ (_number(rest, place, 4) * _P1), 23) * _P2 + _P3
        place += 4
    for byte in rest[place:]:
        found = _turned(found ^ (byte * _P5), 11) * _P1
    found &= _WORD
    found = ((found ^ found >> 33) * _P2) & _WORD
    found = ((found ^ found >> 29) * _P3) & _WORD
    found ^= found >> 32
    return found - (1 << 64) if found >> 63 else found


def _round(lane: int, word: int) -> int:
    return (_turned(lane + word * _P2, 31) * _P1) & _WORD


def _turned(word: int, by: int) -> int:
    word &= _WORD
    return (word << by | word >> (64 - by)) & _WORD


def _number(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "little")
