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
