"""What people are shown of the notes of some pairs: texts, and the first picture that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from uninote.config.sections.sources import MediaConfig
from uninote.lake.delta_files import property_of
from uninote.lake.rows_by_id import NoteId, RowsById
from uninote.lake.small_tables import read_batches
from uninote.media.fetching import INLINE, MediaError, MediaPolicy, load_image
from uninote.media.places import MEDIA_ROOT
from uninote.page_text import clean
from uninote.releases.open_release import OpenRelease
from uninote.report.thumbnails import thumbnail
from uninote.storage.types import S3Options, StorageError

_COLUMNS = ("note_id", "title", "body", "topics", "category", "images")
_BODY = 600  # characters
_PICTURE = 320  # pixels


@dataclass(frozen=True)
class ShownNote:
    """A note as people see it; `picture` is a JPEG, null where there is none, or none was asked for."""

    title: str
    body: str
    topics: tuple[str, ...]
    category: str
    picture: bytes | None = None


def shown_notes(opened: OpenRelease, ids: Iterable[NoteId], policy: MediaPolicy | None) -> dict[NoteId, ShownNote]:
    """Return those of some notes that the release has; with their pictures where a `policy` says what may be opened."""
    rows = RowsById(*opened.tables["notes"], _COLUMNS).find(sorted(set(ids), key=str)).to_pylist()
    inline = {} if policy is None else _inline(opened, rows)
    found = {}
    for row in rows:
        found[row["note_id"]] = ShownNote(
            title=clean(row["title"] or ""),
            body=clean((row["body"] or "")[:_BODY]),
            topics=tuple(clean(topic or "") for topic in row["topics"] or ()),
            category=clean(row["category"] or ""),
            picture=None if policy is None else _picture(_uris(row), policy, inline),
        )
    return found


def media_policy(opened: OpenRelease, media: MediaConfig, s3: S3Options) -> MediaPolicy:
    """Return what may be opened: files below `media.roots` and below the folder that the notes were ingested from."""
    own = tuple(filter(None, [property_of(opened.tables["notes"][0], MEDIA_ROOT)]))
    roots = (*own, *media.roots)
    relative_to = roots if media.search_roots or not own else own
    return MediaPolicy(roots, media.max_bytes, media.max_pixels, s3, relative_to)


def _uris(row: Mapping[str, Any]) -> list[str]:
    return [image["uri"] or "" for image in row["images"] or ()]


def _inline(opened: OpenRelease, rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the content of the notes' images that lie in the lake: of each note's first."""
    wanted = {uri for row in rows for uri in _uris(row)[:1] if INLINE.fullmatch(uri)}
    found: dict[str, bytes] = {}
    if wanted and "image_bytes" in opened.tables:
        uri, version = opened.tables["image_bytes"]
        for batch in read_batches(uri, ["uri", "content"], version):
            mine = batch.filter(pc.is_in(batch["uri"], pa.array(sorted(wanted), batch["uri"].type)))
            found |= dict(zip(mine["uri"].to_pylist(), mine["content"].to_pylist(), strict=True))
    return found


def _picture(uris: Sequence[str], policy: MediaPolicy, inline: Mapping[str, bytes]) -> bytes | None:
    for uri in uris:
        try:
            return thumbnail(load_image(uri, policy, inline), _PICTURE)
        except (MediaError, StorageError):
            continue
    return None
