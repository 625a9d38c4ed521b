"""Kinds of parts, and positions of parts, by the ids that items go by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

KINDS = ("note", "image", "text", "ocr")


def positions_of(item_ids: pa.Array) -> np.ndarray:
    """Return int32 (n,): which image or OCR string of its note an item is; 0 for a note or its text.

    An item's id ends in #image/<position> or #ocr/<position> where it is one of several.
    """
    found = pc.struct_field(pc.extract_regex(item_ids, r"#(?:image|ocr)/(?P<position>\d+)$"), ["position"])
    return np.asarray(pc.fill_null(found.cast(pa.int32()), 0))
