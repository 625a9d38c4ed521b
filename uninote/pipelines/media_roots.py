"""Which folders images may come from."""

from __future__ import annotations

from uninote.media import MediaPolicy
from uninote.pipelines import tables
from uninote.pipelines.run import Run

MEDIA_ROOT = "uninote.mediaRoot"  # property of the notes table: the folder its relative image paths start from


def media_policy(run: Run) -> MediaPolicy:
    """Return which media may be opened: below the configured roots, and below the folder the notes were ingested from."""
    config = run.config.media
    ingested = tables.table_property(run.spark, run.lake.uri("notes"), MEDIA_ROOT)
    roots = (*config.roots, *([ingested] if ingested else []))
    return MediaPolicy(roots=roots, max_bytes=config.max_bytes, max_pixels=config.max_pixels)
