"""Rates: what one unit of work takes. Each says where it comes from: the lake's ledger, the command line, or a default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Origin = Literal["measured", "given", "default"]

_BENCHMARKS = "docs/benchmarks.md"
_TEXTS = "docs/planning.md, Rates: 120,000 texts"


@dataclass(frozen=True)
class Rate:
    """`value` in `unit`; `source` names the run, the argument or the document that it is from."""

    name: str
    value: float
    unit: str
    origin: Origin
    source: str


class Rates(Mapping[str, float]):
    """The rate of each name: the last of those that are given under it."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self.all: dict[str, Rate] = {rate.name: rate for rate in rates}

    def __getitem__(self, name: str) -> float:
        """Return the value of a rate."""
        return self.all[name].value

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self.all)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.all)


def _default(name: str, value: float, unit: str, source: str) -> Rate:
    return Rate(name, value, unit, "default", source)


DEFAULTS = (
    _default("ingest.note", 0.19e-3, "core-s a row of the source", _TEXTS),
    _default("ingest.constant", 6.1, "s", _TEXTS),
    _default("embed.prepare", 2.5e-3, "core-s an embedded item", _TEXTS),
    _default("embed.image", 10e-3, "core-s an image that is shown to the model", "assumed: decoding a megapixel"),
    _default("embed.write", 0.35e-3, "core-s an embedded item", _TEXTS),
    _default("embed.rewrite", 45e-6, "core-s a row of a file that is written again", _TEXTS),
    _default("embed.look", 10e-3, "s of a thread that looks at one image", "assumed: one request to an object store"),
    _default("embed.constant", 16.0, "s", _TEXTS),
    _default("index.factor", 1.0, "times the CPU-seconds of the index's own plan", "uninote/index/planning/plan.py"),
    _default("codes.constant", 5.0, "s", "assumed"),
    _default("neighbours.factor", 1.0, "times the CPU-seconds of the join's formula", f"{_BENCHMARKS}, on Spark"),
    _default("neighbours.pass", 17e-6, "core-s a note and table of an update", f"{_BENCHMARKS}, night in eight cells"),
    _default("neighbours.constant", 6.0, "s", _TEXTS),
    _default("match.constant", 3.8, "s", f"{_BENCHMARKS}, Matches"),
    _default("release.constant", 10.0, "s", "assumed"),
    _default("retention.constant", 5.0, "s", "assumed"),
    _default("report.constant", 9.2, "s", f"{_BENCHMARKS}, A small run: the demo"),
    _default("storage.note", 500.0, "bytes of a note's row", "assumed: half of what its text takes"),
    _default("storage.item", 84.0, "bytes of an item's row", _TEXTS),
)
