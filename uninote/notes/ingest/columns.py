"""Which source column holds which field of a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uninote.errors import UninoteError

# Tried in order, whatever the case; the first that the source has is taken.
GUESSES: Mapping[str, tuple[str, ...]] = {
    "note_id": ("note_id", "item_id", "id", "nid", "doc_id", "post_id", "key"),
    "title": ("title", "name", "subject", "headline"),
    "body": ("body", "text", "content", "desc", "article", "description"),
    "caption": ("caption", "alt", "alt_text"),
    "topics": ("topics", "tags", "hashtags", "keywords", "labels"),
    "images": ("images", "image", "image_paths", "image_urls", "pictures", "photos", "img", "media"),
    "ocr": ("ocr", "ocr_texts", "ocr_text"),
    "image_captions": ("image_captions", "image_alts", "image_descriptions"),
    "category": ("category", "cat", "class", "label", "type"),
    "author": ("author", "author_id", "user", "user_id", "creator"),
    "language": ("language", "lang", "locale"),
    "visibility": ("visibility", "privacy"),
    "updated_at": ("updated_at", "modified_at", "mtime", "timestamp", "created_at", "date"),
}
# Of an entry of a gallery: the fields of a note stand for its id, who added it and why, and whether it is enabled.
ENTRY_GUESSES: Mapping[str, tuple[str, ...]] = {
    **GUESSES,
    "note_id": ("entry_id", "entry", *GUESSES["note_id"]),
    "author": ("added_by", *GUESSES["author"]),
    "caption": ("why", "reason"),
    "visibility": ("enabled", "active"),
}
CONTENT = ("title", "body", "topics", "images", "ocr")


class SourceColumnsError(UninoteError):
    """The columns of a source cannot be mapped to a note."""


def map_columns(
    found: Sequence[str], chosen: Mapping[str, str], known: Mapping[str, tuple[str, ...]] = GUESSES
) -> dict[str, str]:
    """Return field -> source column: those `chosen`, of `known` guesses for the others, nothing for a field the source lacks.

    Raises SourceColumnsError when a chosen column is missing, when no id can be found, or when nothing could be embedded.
    """
    unknown = []
    absent = []
    for field, column in chosen.items():
        if field not in GUESSES:
            unknown.append(f"{field} (accepted: {', '.join(GUESSES)})")
        if column not in found:
            absent.append(f"{field}: {column}")
    if unknown or absent:
        raise SourceColumnsError(
            f"ingest.columns names what is not there: {'; '.join(unknown + absent)}. The source has: {', '.join(found)}"
        )
    free = _by_lower_name(found, set(chosen.values()))
    mapping = dict(chosen)
    for field, guesses in known.items():
        if field in chosen:
            continue
        for name in guesses:
            if name in free:
                mapping[field] = _only(field, free.pop(name))
                break
    _check(mapping, found)
    return mapping


def _by_lower_name(found: Sequence[str], taken: set[str]) -> dict[str, list[str]]:
    """Return lower-case name -> the columns that go by it; those that differ only in case are as many columns."""
    names: dict[str, list[str]] = {}
    for column in found:
        if column not in taken:
            names.setdefault(column.lower(), []).append(column)
    return names


def _only(field: str, columns: Sequence[str]) -> str:
    if len(columns) > 1:
        raise SourceColumnsError(
            f"the source's columns {' and '.join(columns)} differ only in case or not at all, and either may be the {field}; "
            f"name one with --set ingest.columns.{field}={columns[0]}, or give the other another name"
        )
    return columns[0]


def _check(mapping: Mapping[str, str], found: Sequence[str]) -> None:
    if "note_id" not in mapping:
        raise SourceColumnsError(
            f"no column of the source looks like an id; name it with --set ingest.columns.note_id=<column>. "
            f"The source has: {', '.join(found)}"
        )
    if mapping.keys().isdisjoint(CONTENT):
        raise SourceColumnsError(
            f"no column of the source looks like a title, body, topics or images; name them with "
            f"--set ingest.columns.body=<column>. The source has: {', '.join(found)}"
        )
