"""Which folders and buckets images may come from."""

from __future__ import annotations

from dataclasses import replace

from uninote.config.settings import Config
from uninote.lake.delta_files import set_property
from uninote.media.copies import Copies
from uninote.media.fetching import MediaPolicy
from uninote.media.places import MEDIA_ROOT
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.storage.types import S3Options

# A property of the notes table, as MEDIA_ROOT is: lakes from before there was one look into media.roots first, as they did.
MEDIA_LOOKUP = "uninote.mediaLookup"
SOURCE_FIRST = "source"


def media_policy(run: Run) -> MediaPolicy:
    """Return which media may be opened: below the configured roots, and below the folder the notes were ingested from."""
    uri = run.lake.uri("notes")
    root = tables.table_property(uri, MEDIA_ROOT)
    if root is not None and tables.table_property(uri, MEDIA_LOOKUP) != SOURCE_FIRST:
        return _policy(run, root, (*run.config.media.roots, root))
    return policy_with(run, root)


def policy_with(run: Run, root: str | None) -> MediaPolicy:
    """Return a policy of the configured roots and a source's own folder, where it has one.

    Relative names are looked up in that folder, and in the configured roots only where `media.search_roots` says so.
    """
    own = () if root is None else (root,)
    is_searched = not own or run.config.media.search_roots
    return _policy(run, root, (*own, *run.config.media.roots) if is_searched else own)


def remember_media_root(run: Run, root: str | None) -> None:
    """Note with the notes table which folder its images may come from, null: none of its own."""
    uri = run.lake.uri("notes")
    if root is None:
        return
    # A lake that had a root before keeps its own order of look-ups: another file under a name would be another content.
    if tables.table_property(uri, MEDIA_ROOT) is None:
        set_property(uri, MEDIA_LOOKUP, SOURCE_FIRST)
    set_property(uri, MEDIA_ROOT, root)


def _policy(run: Run, root: str | None, relative_to: tuple[str, ...]) -> MediaPolicy:
    config = run.config.media
    roots = (*config.roots, *([] if root is None else [root]))
    s3 = s3_options(run.config)
    copies = replace(copies_of(run), relative_to=relative_to)
    return MediaPolicy(roots, config.max_bytes, config.max_pixels, s3, relative_to, copies)


def copies_of(run: Run) -> Copies:
    """Return where a run keeps the image files that it has read, for whoever reads them next."""
    return Copies(run.run_id, run.config.media.copies_mib << 20)


def s3_options(config: Config) -> S3Options:
    """Return how object stores are reached."""
    return S3Options(config.s3.endpoint, config.s3.region, config.media.timeout_s, config.media.attempts)
