"""Which types of a table's columns can be a field of a note, found out before a row is read."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from uninote.errors import UninoteError
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.notes.ingest.image_fields import URI_FIELDS

TEXTS = ("title", "body", "caption", *NOTE_ATTRIBUTES)
NUMBER = "number"
TEXT = "text"


class ColumnTypeError(UninoteError):
    """A source column has a type from which its field cannot be made."""


def check_types(types: Mapping[str, pa.DataType]) -> None:
    """Raise ColumnTypeError where a field, with the type of its column, could hold no value that is one."""
    for field, kind in types.items():
        if field in TEXTS and not (_is_scalar(kind) or (is_list(kind) and _is_scalar(kind.value_type))):
            raise ColumnTypeError(f"{field} must be text; the source's column is {kind}. {_remedy(field)}")
    topics = types.get("topics", pa.null())
    if not (_is_scalar(topics) or (is_list(topics) and _is_scalar(topics.value_type))):
        raise ColumnTypeError(f"topics must be an array of strings, or one string; it is {topics}. {_remedy('topics')}")
    if "images" in types:
        _check_images(types["images"])
    if "note_id" in types:
        id_kind(types["note_id"])


def id_kind(kind: pa.DataType) -> str:
    """Return whether ids of a type are NUMBER or TEXT. Raises ColumnTypeError for others."""
    kind = plain(kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return NUMBER
    if _is_scalar(kind) and not pa.types.is_boolean(kind):
        return TEXT
    raise ColumnTypeError(
        f"note_id must be a string or a whole number; the source's column is {kind}. {_remedy('note_id')}"
    )


def has_bytes(kind: pa.DataType | None) -> bool:
    """Say whether images of a type may be bytes."""
    if kind is None:
        return False
    element = kind.value_type if is_list(kind) else kind
    if pa.types.is_struct(element):
        return any(is_binary(field.type) for field in element)
    return is_binary(element)


def _check_images(kind: pa.DataType) -> None:
    element = plain(kind.value_type if is_list(kind) else kind)
    if pa.types.is_null(element) or is_text(element) or is_binary(element):
        return
    if not pa.types.is_struct(element):
        raise ColumnTypeError(
            f"images must be paths, URIs or bytes, or structs with one of {', '.join(URI_FIELDS)} or with bytes; the source's "
            f"column is {kind}. {_remedy('images')}"
        )
    names = element.names
    if not set(URI_FIELDS) & set(names) and not has_bytes(element):
        raise ColumnTypeError(f"images need one of {', '.join(URI_FIELDS)}; they have {', '.join(names)}")


def _remedy(field: str) -> str:
    return f"Name another column: --set ingest.columns.{field}=<column>"


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values: of a dictionary that of its entries."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def is_list(kind: pa.DataType) -> bool:
    """Say whether a type is a list of any kind."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Say whether a type holds bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_text(kind: pa.DataType) -> bool:
    """Say whether a type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_scalar(kind: pa.DataType) -> bool:
    kind = plain(kind)
    if isinstance(kind, pa.UuidType):
        return True
    return not (pa.types.is_nested(kind) or is_binary(kind) or pa.types.is_fixed_size_binary(kind))
