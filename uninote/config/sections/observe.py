"""Settings of what other programs are told of runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from uninote.config.sections.base import Location, Section

_URLS = ("http://", "https://")


class ObserveConfig(Section):
    """What is told of a run beside the lake's ledger; none of it ever fails a run (docs/operations.md).

    `log` json adds a line of JSON on stderr at the end of each stage. `prometheus` is a file for node_exporter's textfile
    collector, which wants a name that ends in .prom. `openlineage` is a file that gets a line for each event, or an http(s) URL
    that takes them; `namespace` is that of its jobs.
    """

    log: Literal["text", "json"] = "text"
    prometheus: Location | None = None
    openlineage: Location | None = None
    namespace: str = Field("uninote", min_length=1)

    @field_validator("prometheus")
    @classmethod
    def _is_file(cls, path: str | None) -> str | None:
        if path is not None and "://" in path:
            raise ValueError("should be a file on this machine, where node_exporter looks")
        return path

    @field_validator("openlineage")
    @classmethod
    def _is_reachable(cls, place: str | None) -> str | None:
        if place is not None and "://" in place and not place.startswith(_URLS):
            raise ValueError("should be a file on this machine, or an http:// or https:// URL")
        return place
