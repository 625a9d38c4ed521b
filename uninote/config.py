"""The configuration: one YAML file, validated once into a typed, frozen object. The only module that reads YAML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from uninote.errors import ConfigError

DEMO = "demo"  # the built-in corpus (as ingest.source) and the built-in checkpoint (as model.checkpoint)

# A place: relative ones mean "from the config file's folder", or from the current folder when given with --set.
Location = Annotated[str, Field(min_length=1), "location"]
Width = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    """Strict, so that "8192" is not a number; closed, so that a typo is an error; frozen, so that nobody edits it later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DemoConfig(_Section):
    """The built-in corpus: where it is generated, and how large."""

    folder: Location = Field(default_factory=lambda: str(Path.home() / ".cache" / "uninote" / "demo"))
    notes: int = Field(3000, ge=1)
    seed: int = 7


class IngestConfig(_Section):
    """Where notes come from. `columns` maps a field of `notes` to the source's column where the guess is wrong."""

    source: Location
    columns: dict[str, str] = {}


class MediaConfig(_Section):
    """Which files may be opened as images, and how large they may be."""

    roots: tuple[Location, ...] = Field((), strict=False)  # YAML has lists, not tuples
    max_bytes: int = Field(32 << 20, ge=1)
    max_pixels: int = Field(50_000_000, ge=1)


class ModelConfig(_Section):
    """The encoder: a checkpoint folder, or "demo"."""

    checkpoint: Location


class EmbedConfig(_Section):
    """`widths` null means every width the checkpoint declares; others are refused unless `undeclared_widths` is true."""

    widths: tuple[Width, ...] | None = Field(None, strict=False)
    undeclared_widths: bool = False
    batch_tokens: int = Field(8192, ge=1)
    notes_per_task: int = Field(500, ge=1)
    max_quarantined_share: float = Field(0.5, ge=0, le=1)


class IndexConfig(_Section):
    """`widths` null means every embedded width. `nlist`, `pq_m`, `num_shards` null means planned from the row count."""

    widths: tuple[Width, ...] | None = Field(None, strict=False)
    nlist: int | None = Field(None, ge=1)
    pq_m: int | None = Field(None, ge=1)
    num_shards: int | None = Field(None, ge=1)
    nprobe: int = Field(16, ge=1)
    seed: int = 0


class NeighboursConfig(_Section):
    """`width` null means the widest. `overlap` cells see each row; `slack` extra candidates are kept beside the K."""

    width: Width | None = None
    k: int = Field(20, ge=1)
    slack: int = Field(4, ge=0)
    cell_rows: int = Field(20_000, ge=2)
    overlap: int = Field(4, ge=1)
    recall_target: float = Field(0.95, ge=0, le=1)
    recall_sample: int = Field(500, ge=1)
    seed: int = 0


class ReportConfig(_Section):
    """What the HTML report shows."""

    gallery_notes: int = Field(10, ge=0)
    gallery_neighbours: int = Field(8, ge=1)


class Config(_Section):
    """The whole pipeline. `spark` holds further Spark SQL settings, applied after the project's own."""

    lake: Location
    ingest: IngestConfig
    model: ModelConfig
    demo: DemoConfig = Field(default_factory=DemoConfig)
    media: MediaConfig = MediaConfig()
    embed: EmbedConfig = EmbedConfig()
    index: IndexConfig = IndexConfig()
    neighbours: NeighboursConfig = NeighboursConfig()
    report: ReportConfig = ReportConfig()
    spark: dict[str, str] = {}

    @field_validator("lake")
    @classmethod
    def _is_local(cls, lake: str) -> str:
        if "://" in lake:
            raise ValueError(
                "should be a local or mounted folder; index files and reports are not written to object stores"
            )
        return lake

    def content_hash(self) -> str:
        """Return 16 hexadecimal characters that change with any value of the configuration."""
        return fingerprint(self.model_dump(mode="json"))


def fingerprint(*values: Any) -> str:
    """Return 16 hexadecimal characters of SHA-256 over the canonical JSON of `values`."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


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
