"""`uninote judge --fit`: a map from lists to confidences, by judgments."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from uninote.confidence.fitting import fit, measure
from uninote.confidence.stored_maps import Origin, add_map
from uninote.judgments.gathering import ListTables, gather
from uninote.judgments.writing import check_lake, writes
from uninote.releases.open_release import open_release


def fit_map(lake: str, options: argparse.Namespace) -> dict[str, Any]:
    """Fit a map to the judgments of a table, and store it. Raises FitError, and LakeBusyError where another run writes."""
    check_lake(lake)
    opened = open_release(lake)
    gathered = gather(ListTables.of(opened), options.table, options.source)
    gathered.check(options.table)
    found, quality = fit(gathered.pairs), measure(gathered.pairs)
    with writes(lake):
        number = add_map(opened.generation, Origin(options.table, gathered.source, opened.id), found, quality)
    said = {"table": options.table, "source": gathered.source, "number": number, "release": opened.id}
    return said | {"left_out": dict(gathered.left_out), "map": asdict(found), **asdict(quality)}


def fitted_text(found: Mapping[str, Any]) -> str:
    """Return what was fitted, and how good it is, for people."""
    lines = [
        f"confidence map {found['number']} of {found['table']}, by {found['pairs']:,} pairs of {found['notes']:,} notes that "
        f"{found['source']} judged",
        f"  relevant           {_interval(found['base_rate'])}",
        f"  Brier score        {_interval(found['brier'])}",
        f"  gained by the map  {_interval(found['brier_gain_base'])} over the base rate",
        f"                     {_interval(found['brier_gain_cosine'])} over the cosine alone",
        f"  calibration error  {found['error']:.3f}; a perfect map would show {found['perfect_error']:.3f} on so many",
    ]
    lines += [f"  left out           {count:,} {why}" for why, count in found["left_out"].items()]
    return "\n".join([*lines, "the next jobs/neighbours.py or jobs/refresh.py puts confidences into the lists\n"])


def _interval(one: Mapping[str, float]) -> str:
    return f"{one['value']:.3f}  ({one['low']:.3f} to {one['high']:.3f})"
