"""Settings of what is read: notes, their images, and the services they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from uninote.config.sections.base import AUTO, Location, Section


class DemoConfig(Section):
    """The built-in corpus: where it is generated, and how large."""

    folder: Location = Field(default_factory=lambda: str(Path.home() / ".cache" / "uninote" / "demo"))
    notes: int = Field(3000, ge=1)
    seed: int = 7


class IngestConfig(Section):
    """Where notes come from. `source` auto is where the lake's notes came from, read as they were read, or else the demo.

    `columns` maps a field of `notes` to the source's column where the guess is wrong.

    `encoding` is that of text files without a byte order mark. An ingest that would delete more than
    `max_deleted_share` of the notes, and at least 100, is refused: a source that was written by half looks just so.
    `--allow-deletes` lets it pass once. `ocr`: texts in images are read (docs/sources.md) with auto where the extra `ocr` is
    installed and the source has no OCR; with on for each note that has none. Each image is read once, whatever version of
    the reader did it; `ocr_again` reads again what another version read. `accept_columns` takes the columns of a source whose
    schema changed as they are now.
    """

    source: Location = AUTO
    columns: dict[str, str] = Field(default_factory=dict)
    max_deleted_share: float = Field(0.1, ge=0, le=1)
    encoding: str = "utf-8"
    ocr: Literal["auto", "off", "on"] = "auto"
    ocr_again: bool = False
    accept_columns: bool = False

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(
                "should be an encoding that Python knows, such as utf-8, cp1252, gb18030 or utf-16"
            ) from error
        return encoding


class MediaConfig(Section):
    """Which files may be opened as images, how large they may be, and how they are fetched.

    Relative names are looked up in the source's own folder, if it has one, and with `search_roots` then in the `roots`.
    `timeout_s` is for one file, retries included; `attempts` are made where an error may pass; each task fetches with
    `threads`, while its model computes. A host keeps at most `copies_mib` of files that a run has hashed, until it has shown
    them to the model.
    """

    # Not strict, since YAML has lists and no tuples.
    roots: tuple[Location, ...] = Field((), strict=False)
    search_roots: bool = False
    max_bytes: int = Field(32 << 20, ge=1)
    max_pixels: int = Field(50_000_000, ge=1)
    timeout_s: float = Field(30.0, gt=0)
    attempts: int = Field(4, ge=1)
    threads: int = Field(8, ge=1)
    copies_mib: int = Field(2048, ge=0)


class S3Config(Section):
    """Which S3 service `s3://` means; null is what the environment says. Credentials come from the environment only."""

    endpoint: str | None = None
    region: str | None = None
