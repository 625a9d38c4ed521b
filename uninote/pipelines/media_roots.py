"""Which folders and buckets images may come from."""

from __future__ import annotations

from uninote.config import Config
from uninote.media import MediaPolicy
from uninote.pipelines import tables
from uninote.pipelines.run import Run
from uninote.storage import S3Options

MEDIA_ROOT = "uninote.mediaRoot"  # property of the notes table: the folder its relative image paths start from


def media_policy(run: Run) -> MediaPolicy:
    """Return which media may be opened: below the configured roots, and below the folder the notes were ingested from."""
    return policy_with(run, tables.table_property(run.lake.uri("notes"), MEDIA_ROOT))


def policy_with(run: Run, root: str | None) -> MediaPolicy:
    """Return a policy of the configured roots and one more."""
    config = run.config.media
    roots = (*config.roots, *([root] if root else []))
    return MediaPolicy(roots, config.max_bytes, config.max_pixels, s3_options(run.config))


def s3_options(config: Config) -> S3Options:
    """Return how object stores are reached."""
    return S3Options(config.s3.endpoint, config.s3.region, config.media.timeout_s, config.media.attempts)
