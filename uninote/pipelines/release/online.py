"""The publish stage: the live release goes to the online store that the configuration names."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from uninote.errors import UninoteError
from uninote.failures.explaining import explained
from uninote.lake.releases.pointer import read_pointer
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.release.errors import PublishError
from uninote.pipelines.runtime.progress import say
from uninote.serving.opening import open_store
from uninote.serving.publish import Counts
from uninote.serving.publish import Outcome as Published
from uninote.serving.releases import publish_release

STAGE = "publish"


def publish(run: Run) -> dict[str, Any]:
    """Push the live release to `serving.store` where `serving.publish` is true. Raises PublishError where that fails.

    The lake's readers have the release by then, whatever becomes of this.
    """
    settings = run.config.serving
    live = read_pointer(run.lake.root).live
    if not settings.publish or settings.store is None or live is None:
        return {"tables": {}, "state": "unchanged"}
    started = time.time()
    try:
        done = _pushed(settings.store, run.lake.root)
    except Exception as error:
        why = str(error) if isinstance(error, UninoteError) else explained(error)
        raise PublishError(
            f"release {live} is live in the lake, and the online store {settings.store} did not take it: {why}. Its readers go "
            "on seeing what they saw; run `uninote publish`, or let the next refresh do it"
        ) from error
    counts = {"release": done.release, **_sums(done.tables)}
    if done.state == "unchanged":
        return {"tables": {}, "state": "unchanged", **counts}
    record(run, STAGE, "all", Outcome("done", counts), started)
    say(f"publish: readers of {settings.store} see release {done.release}; {counts['pushed']:,} lists pushed")
    return {"tables": {}, "state": "done", **counts}


def _pushed(uri: str, lake: str) -> Published:
    store = open_store(uri, create=True)
    try:
        return publish_release(store, lake)
    finally:
        store.close()


def _sums(tables: Mapping[str, Counts]) -> dict[str, int]:
    sums = dict.fromkeys(("pushed", "unchanged_lists", "gone"), 0)
    for one in tables.values():
        sums["pushed"] += one.pushed
        sums["unchanged_lists"] += one.unchanged
        sums["gone"] += one.gone
    return sums
