"""Reading the configuration: YAML and `--set` overrides into a validated Config. The only module that reads YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from uninote.config import DEMO, Config
from uninote.errors import ConfigError


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read `path`, apply `section.key=value` overrides (values are YAML) and validate.

    Raises ConfigError, listing every problem of the file and of the overrides together.
    """
    values = _read_yaml(path)
    problems: list[str] = []
    locations = set(_locations(Config))
    _make_absolute(values, locations, path.resolve().parent)
    for override in overrides:
        _apply(values, override, locations, problems)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += [_describe(problem) for problem in error.errors()]
    if problems:
        raise ConfigError(f"{path}: {len(problems)} problem(s)\n" + "\n".join(f"  - {problem}" for problem in problems))
    return config


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a mapping with the keys {_keys(Config)}; it holds {type(values).__name__}")
    return values


def _apply(values: dict[str, Any], override: str, locations: set[str], problems: list[str]) -> None:
    name, separator, text = override.partition("=")
    *sections, key = name.strip().split(".")
    if not separator or not key or not all(sections):
        problems.append(f"--set {override}: expected section.key=value")
        return
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    single: dict[str, Any] = {key: value}
    for section in reversed(sections):
        single = {section: single}
    _make_absolute(single, locations, Path.cwd())
    _merge(values, single)


def _merge(into: dict[str, Any], update: dict[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _locations(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of the keys that hold places, lists of places included."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _locations(field.annotation, f"{prefix}{name}.")
        elif "location" in field.metadata or "location" in str(field.annotation):
            yield f"{prefix}{name}"


def _make_absolute(values: dict[str, Any], locations: set[str], base: Path) -> None:
    for name in locations:
        *sections, key = name.split(".")
        holder: Any = values
        for section in sections:
            holder = holder.get(section) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and key in holder:
            holder[key] = _absolute(holder[key], base)


def _absolute(value: Any, base: Path) -> Any:
    if isinstance(value, list):
        return [_absolute(one, base) for one in value]
    if not isinstance(value, str) or value == DEMO or "://" in value or not value:
        return value
    return str((base / Path(value).expanduser()).resolve())


def _describe(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name}: unknown key; accepted keys here: {_keys(_section_of(problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"{name}: missing, and it has no default"
    told = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {told[0].lower()}{told[1:]}; got {problem['input']!r}"


def _section_of(location: Sequence[Any]) -> type[BaseModel]:
    section: type[BaseModel] = Config
    for part in location:
        section = section.model_fields[part].annotation  # type: ignore[assignment]
    return section


def _keys(section: type[BaseModel]) -> str:
    return ", ".join(section.model_fields)
