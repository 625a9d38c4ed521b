"""Which local paths a Delta table may have: the Rust library would panic at some, and take others for another path."""

from __future__ import annotations

import re

# Brackets, ^ and | stop delta-rs when it makes a URL of the path; it turns a backslash into a slash and %20 into a blank.
_UNUSABLE = re.compile(r"[\[\]^|\\\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")


def unusable_part(path: str) -> str | None:
    """Return the first part of `path` that no Delta table's path may have, None where all is well."""
    found = _UNUSABLE.search(path)
    return found[0] if found is not None else None
