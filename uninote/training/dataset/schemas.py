"""The training set on disk: a folder of Parquet parts whose schemas stand here, and a manifest.

items/ images/ examples/ ranked/   any number of *.parquet each; images/ and ranked/ may be empty
manifest.json                      {"format": 3, ...}: the rest is the writer's own record
"""

from __future__ import annotations

import pyarrow as pa

FORMAT = 3
NO_ITEM = -1  # in arrays of item numbers: padding, no item
MANIFEST = "manifest.json"
TRAIN = "train"
EVAL = "eval"
SPLITS = (TRAIN, EVAL)

# item: dense from 0. group: items of near-duplicate notes share it, a note's own items always do; it never crosses splits.
# described: what stands in the place of an image that is not shown, null or "" for nothing
# asked: the place, from 0, of the image whose OCR is what the item is asked for by, null for none: that OCR is cut last
ITEMS = pa.schema(
    [
        pa.field("item", pa.int64()),
        pa.field("note_id", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("group", pa.int64()),
        pa.field("split", pa.string()),
        pa.field("title", pa.string()),
        pa.field("body", pa.string()),
        pa.field("topics", pa.list_(pa.string())),
        pa.field("images", pa.list_(pa.struct([("digest", pa.string()), ("ocr", pa.string())]))),
        pa.field("described", pa.string()),
        pa.field("asked", pa.int32()),
    ]
)
# content: the encoded file (PNG, JPEG, ...), once for each digest
IMAGES = pa.schema([pa.field("digest", pa.string()), pa.field("content", pa.binary())])
# scores are the teacher's, null where there was none; negative_scores go with negatives, one by one
EXAMPLES = pa.schema(
    [
        pa.field("strategy", pa.string()),
        pa.field("query", pa.int64()),
        pa.field("positive", pa.int64()),
        pa.field("negatives", pa.list_(pa.int64())),
        pa.field("positive_score", pa.float32()),
        pa.field("negative_scores", pa.list_(pa.float32())),
        pa.field("split", pa.string()),
    ]
)
# relevant: in falling order
RANKED = pa.schema(
    [
        pa.field("query", pa.int64()),
        pa.field("relevant", pa.list_(pa.int64())),
        pa.field("noise", pa.list_(pa.int64())),
        pa.field("split", pa.string()),
    ]
)
TABLES = {"items": ITEMS, "images": IMAGES, "examples": EXAMPLES, "ranked": RANKED}
