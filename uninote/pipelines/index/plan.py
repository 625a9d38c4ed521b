"""What `jobs/index.py --dry-run` says: the plan of each index, for the rows of the lake or for any other number of them."""

from __future__ import annotations

from typing import Any

from uninote.config.settings import Config
from uninote.errors import ConfigError
from uninote.index.planning.choose import overrides_of, plan_index
from uninote.lake.paths import index_name
from uninote.pipelines.lake.encoders import check_widths, open_model
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.session import open_session


def plan_indexes(config: Config, rows: int | None, width: int | None) -> dict[str, Any]:
    """Return the plan for `rows` vectors of each width, or of `width` alone; without `rows`, those of the lake.

    Starts Spark only to count. Raises ConfigError where a plan cannot fit, saying what would.
    """
    widths = (width,) if width is not None else config.index.widths or check_widths(open_model(config), config.embed)
    if rows is not None and rows < 1:
        raise ConfigError(f"--rows is {rows}; a plan is for at least 1")
    plans = {}
    for one in widths:
        count = _count(config, one) if rows is None else rows
        plans[index_name(one)] = plan_index(count, one, overrides_of(config.index)).describe()
    return {"state": "planned", "plans": plans}


def _count(config: Config, width: int) -> int:
    snapshot = newest_snapshot(Run(open_session("index", config.spark), config, reads_only=True))
    return StoredVectors(snapshot.run, snapshot, width, config.index.kinds).count
