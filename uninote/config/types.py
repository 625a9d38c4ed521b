"""The types of configuration keys: which key a dotted name means, and whether a text stands there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from uninote.config.settings import Config

SPARK = "spark"


def find_key(parts: Sequence[str]) -> tuple[tuple[str, ...], Any]:
    """Return the keys that the parts of a dotted name mean, and the type of what stands there; Any for an unknown key.

    In a mapping from texts to texts the rest of a name is one key, dots included: spark.sql.ansi.enabled in `spark`.
    """
    kind: Any = Config
    for at, part in enumerate(parts):
        if _is_mapping_of_text(kind):
            return (*parts[:at], _one_key(parts[:at], ".".join(parts[at:]))), str
        kind = _below(kind, part)
    return tuple(parts), kind


def section_of(location: Sequence[Any]) -> type[BaseModel]:
    """Return the section that the keys of `location` lead to."""
    kind: Any = Config
    for part in location:
        kind = _below(kind, part)
    section: type[BaseModel] = _value_type(kind)
    return section


def find_locations(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of the keys that hold places, lists of places included; * stands for any key of a mapping."""
    for name, field in section.model_fields.items():
        kind = _value_type(field.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from find_locations(kind, f"{prefix}{name}.")
        elif isinstance(held := _value_of_mapping(kind), type) and issubclass(held, BaseModel):
            yield from find_locations(held, f"{prefix}{name}.*.")
        elif "location" in field.metadata or "location" in str(field.annotation):
            yield f"{prefix}{name}"


def options_of(kind: Any) -> tuple[Any, ...]:
    """Return the types that `kind` is a union of, itself alone where it is none."""
    if get_origin(kind) is Annotated:
        return options_of(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(chain.from_iterable(map(options_of, get_args(kind))))
    return (kind,)


def is_text(kind: Any) -> bool:
    """Say whether a value of type `kind` is a text, or one of several texts."""
    return kind is str or (get_origin(kind) is Literal and all(isinstance(one, str) for one in get_args(kind)))


def holds_text(kind: Any) -> bool:
    """Say whether `kind` is a list of texts, or a mapping to texts or to lists of them."""
    if get_origin(kind) not in (dict, list, tuple):
        return False
    held = [one for one in get_args(kind) if one is not Ellipsis][-1]
    return all(is_text(one) or holds_text(one) for one in options_of(held))


def _below(kind: Any, part: Any) -> Any:
    """Return the type of what stands under the key `part` of a section or mapping, Any where there is no such key."""
    kind = _value_type(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(part)
        return Any if field is None else field.annotation
    return get_args(kind)[1] if get_origin(kind) is dict else Any


def _value_type(kind: Any) -> Any:
    """Return what a nullable type is when it is not null."""
    return next(one for one in options_of(kind) if one is not NoneType)


def _value_of_mapping(kind: Any) -> Any:
    """Return the type of the values of a mapping, null for another type."""
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _is_mapping_of_text(kind: Any) -> bool:
    return get_origin(kind) is dict and get_args(kind)[1] is str


def _one_key(section: Sequence[str], name: str) -> str:
    # `--set spark.sql.x=1` can only mean Spark's setting spark.sql.x, not one named sql.x.
    bare = list(section) == [SPARK] and not name.startswith(f"{SPARK}.")
    return f"{SPARK}.{name}" if bare else name
