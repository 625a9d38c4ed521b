"""`--set section.key=value`: which key is meant, and what its value is, decided by the key's type."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Any

from uninote.config import yaml_text
from uninote.config.types import find_key, holds_text, is_text, options_of
from uninote.errors import UninoteError
from uninote.redaction import redact_value

_NULLS = ("", "null", "Null", "NULL", "~")


class OverrideError(UninoteError):
    """An override that names no key, or whose value cannot be read."""


@dataclass(frozen=True)
class Override:
    """One override: the keys that lead to its place, outermost first, and its value."""

    keys: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        """The keys with dots between them."""
        return ".".join(self.keys)

    def nested(self) -> dict[str, Any]:
        """Return the value below its keys, as a configuration file would hold it."""
        nested: Any = self.value
        for key in reversed(self.keys):
            nested = {key: nested}
        return dict(nested)


def parse_override(text: str) -> Override:
    """Return what `text` sets.

    A key of type text takes the value as it is written: `lake=/x/lake #2`, `lake=007`. Quotes around all of it are
    YAML's, and where a key may be null, null and nothing mean that. All other values are YAML. Raises OverrideError.
    """
    name, separator, written = text.partition("=")
    parts = name.strip().split(".")
    if not separator or not all(parts):
        raise OverrideError(f"--set {text}: expected section.key=value")
    keys, kind = find_key(parts)
    try:
        return Override(keys, _value(written, kind))
    except yaml_text.YamlTextError as error:
        raise OverrideError(
            f"--set {name.strip()}: the value is not valid YAML, {error}; a text with YAML's own characters is written "
            "in quotes"
        ) from error


def redact_override(text: str) -> str:
    """Return an override as the ledger may keep it: without secrets, otherwise as it was given."""
    try:
        override = parse_override(text)
    except OverrideError as error:
        return str(error)
    shown = redact_value(override.name, override.value)
    plain = list(override.value) if isinstance(override.value, tuple) else override.value
    # The text as it was given, unless something of it is hidden: a run can be repeated from the ledger.
    return text if shown == plain else f"{override.name}={shown}"


def _value(written: str, kind: Any) -> Any:
    options = options_of(kind)
    if all(map(is_text, options)):
        return _text(written, optional=False)
    values = [one for one in options if one is not NoneType]
    if all(map(is_text, values)):
        return _text(written, optional=True)
    if all(map(holds_text, values)) and written.strip() not in _NULLS:
        return yaml_text.parse_strings(written)
    return yaml_text.parse(written)


def _text(written: str, optional: bool) -> str | None:
    if optional and written.strip() in _NULLS:
        return None
    quoted = written.strip()
    # A shell has taken its own quotes off: these were meant for YAML.
    if len(quoted) > 1 and quoted[0] == quoted[-1] and quoted[0] in "'\"":
        return str(yaml_text.parse_strings(quoted))
    return written
