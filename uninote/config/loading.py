"""Reading the configuration: a YAML file and `--set` overrides into a validated Config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from uninote.config import yaml_text
from uninote.config.overrides import OverrideError, parse_override
from uninote.config.sections.base import AUTO, DEMO, E5
from uninote.config.settings import Config
from uninote.config.types import find_locations, section_of
from uninote.errors import ConfigError
from uninote.redaction import HIDDEN, has_credentials, is_secret, redact_value

Problems = list[str]

# What is a name of ours there, and no place
NAMES = {"ingest.source": (AUTO, DEMO), "model.checkpoint": (AUTO, DEMO, E5), "training.start": (DEMO,)}


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read `path`, apply `section.key=value` overrides, of which the last of a key counts, and validate.

    Raises ConfigError, listing every problem of the file and of the overrides together.
    """
    values = _read_yaml(path)
    problems: Problems = []
    locations = set(find_locations(Config))
    _make_absolute(values, locations, path.resolve().parent, problems)
    for override in overrides:
        _apply(values, override, locations, problems)
    problems += _credentials("", values)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += map(_describe, error.errors())
    if problems:
        raise ConfigError(f"{path}: {len(problems)} problem(s)\n" + "\n".join(f"  - {problem}" for problem in problems))
    return config


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml_text.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text, from its byte {error.start:,} on; save it as UTF-8") from error
    except yaml_text.YamlTextError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        held = "it is empty" if values is None else f"it holds {type(values).__name__}"
        raise ConfigError(f"{path} must hold a mapping with the keys {_keys(Config)}; {held}")
    return values


def _apply(values: dict[str, Any], override: str, locations: set[str], problems: Problems) -> None:
    try:
        single = parse_override(override).nested()
    except OverrideError as error:
        problems.append(str(error))
        return
    _make_absolute(single, locations, Path.cwd(), problems)
    _merge(values, single)


def _merge(into: dict[str, Any], update: dict[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _make_absolute(values: dict[str, Any], locations: set[str], base: Path, problems: Problems) -> None:
    for name in sorted(locations):
        *sections, key = name.split(".")
        for holder in _holders(values, sections):
            if key not in holder:
                continue
            try:
                if holder[key] not in NAMES.get(name, ()):
                    holder[key] = _absolute(holder[key], base)
            except (OSError, RuntimeError, ValueError) as error:
                # There is no such user, links form a circle, or the name has a NUL or is not UTF-8.
                problems.append(f"{name}: {holder[key]!r} is no place on this machine ({error})")


def _holders(values: Any, sections: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the mappings that the names of sections lead to; * stands for any."""
    if not isinstance(values, dict):
        return
    if not sections:
        yield values
        return
    first, *rest = sections
    for name in [*values] if first == "*" else [first]:
        yield from _holders(values.get(name), rest)


def _absolute(value: Any, base: Path) -> Any:
    if isinstance(value, list):
        return [_absolute(one, base) for one in value]
    if not isinstance(value, str) or "://" in value or not value:
        return value
    # Raises on lone surrogates, which is what a terminal without UTF-8 makes of a name.
    value.encode()
    return str(_named(base / Path(value).expanduser()))


def _named(path: Path) -> Path:
    """Return the path without '..', and with the links in its last parts as they are named.

    What a link is named may say more than where it leads: a model hub keeps items.jsonl under the hash of its content.
    """
    # Raises where the name cannot be a place at all.
    path.resolve()
    parts = list(path.parts)
    last: list[str] = []
    while parts and parts[-1] != "..":
        last.insert(0, parts.pop())
    return Path(*parts).resolve() / Path(*last) if parts else path


def _credentials(name: str, value: Any) -> Iterator[str]:
    """Yield a problem for every place that holds a user, a password or a signature: places are stored and shown."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _credentials(f"{name}.{key}" if name else str(key), one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _credentials(name, one)
    elif isinstance(value, str) and has_credentials(value):
        yield (
            f"{name}: holds credentials in its URL, which would be stored with the lake; take them out, and give them in "
            "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; of an online store UNINOTE_STORE_USER and "
            f"UNINOTE_STORE_PASSWORD), a profile or a role; got {redact_value(name, value)}"
        )


def _describe(problem: Any) -> str:
    parts = problem["loc"]
    name = ".".join(map(str, parts))
    if problem["type"] == "extra_forbidden":
        return f"{name}: unknown key; accepted keys here: {_keys(section_of(parts[:-1]))}"
    if problem["type"] == "missing":
        return f"{name}: missing, and it has no default"
    # A message of our own rules may begin with a name, whose case must stay.
    own = problem["msg"].removeprefix("Value error, ")
    message = own if own != problem["msg"] else f"{own[0].lower()}{own[1:]}"
    shown = HIDDEN if is_secret(name) else repr(redact_value(name, problem["input"]))
    return f"{name}: {message}; got {shown}{_remedy(problem)}"


def _remedy(problem: Any) -> str:
    if problem["type"] == "string_type" and problem["input"] is not None:
        return ", which YAML does not take for a text: write it in quotes"
    if problem["type"] in ("tuple_type", "list_type"):
        return "; write a list: [one, another]"
    return ""


def _keys(section: type[BaseModel]) -> str:
    return ", ".join(section.model_fields)
