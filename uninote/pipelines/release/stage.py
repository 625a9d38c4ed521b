"""The release stage: what the stages left is judged, and becomes what readers see, or stays unseen."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from uninote.lake.releases.pointer import Pointer, change_pointer, now, read_pointer
from uninote.lake.releases.record import Release, ReleaseError, read_release, release_ids, write_release
from uninote.lake.takedowns.held import held
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.release.candidate import candidate
from uninote.pipelines.release.case import Case
from uninote.pipelines.release.errors import GateError
from uninote.pipelines.release.gates import judge
from uninote.pipelines.release.retention import check_upkeep
from uninote.pipelines.runtime.progress import say, step

STAGE = "release"
_UNIT = "all"


def release(run: Run) -> dict[str, Any]:
    """Let readers see what the stages left, if it passes its gates. Raises GateError where it does not.

    Without effect where it is what readers see already. Raises ReleaseError after a rollback, until `resume` brought the tables
    back: what they hold was rejected.
    """
    started = time.time()
    pointer = read_pointer(run.lake.root)
    live = None if pointer.live is None else read_release(run.lake.root, pointer.live)
    check_upkeep(run)
    _check_not_rolled_back(pointer)
    made = candidate(run)
    if live is not None and live.consists_of_the_same(made):
        return {"tables": {}, "state": "unchanged", "release": live.id}
    with step("release: gates"):
        judged = replace(made, gates=judge(Case(run, made, live)))
    forced = bool(judged.failed_gates) and run.config.refresh.force
    written = write_release(run.lake.root, replace(judged, forced=forced), max(release_ids(run.lake.root), default=0))
    if judged.failed_gates and not forced:
        _record(run, "failed", written, started)
        change_pointer(run.lake.root, lambda before: _with_failed(before, written.id))
        raise GateError(message(written, pointer.live))
    # Asked as late as can be: what was taken down since ingest is in the release, and nobody may think that it is not.
    waiting = _taken_down_meanwhile(run, written)
    change_pointer(run.lake.root, lambda before: _with_live(before, written.id))
    _record(run, "done", written, started, waiting)
    say(f"release {written.id} is live" + (f", forced: {message(written, None)}" if forced else ""))
    if waiting:
        say(f"{waiting:,} notes of it were taken down meanwhile: readers leave them out, the next refresh erases them")
    counts = {"release": written.id, "forced": forced, "taken_down_meanwhile": waiting}
    return {"tables": {}, "state": "done", "gates": _states(written), **counts}


def _taken_down_meanwhile(run: Run, made: Release) -> int:
    """Return how many notes of a release are taken down: they were when ingest had read its source already."""
    names = taken_down(run.lake.root).names
    return len(held(run.lake.uri("notes"), names, made.tables["notes"]))


def _check_not_rolled_back(state: Pointer) -> None:
    if state.work_from is not None:
        raise ReleaseError(
            f"readers were taken back to release {state.work_from} (uninote releases rollback), and the tables are still as "
            "they were before that: nothing was published. Run jobs/refresh.py, which brings the tables back first"
        )


def _with_live(before: Pointer, release_id: int) -> Pointer:
    """Return the state in which a release is live, and the one before it has just been replaced.

    Raises ReleaseError where somebody rolled back while the release was made.
    """
    _check_not_rolled_back(before)
    replaced = dict(before.replaced)
    if before.live is not None:
        replaced[str(before.live)] = now()
    kept = tuple(sorted({*before.kept, release_id}))
    change = f"release {release_id} published"
    return replace(before, live=release_id, kept=kept, replaced=replaced, work_from=None, change=change)


def _with_failed(before: Pointer, release_id: int) -> Pointer:
    """Return the state that says that a release did not pass its gates; none of its versions is kept for it."""
    return replace(before, change=f"release {release_id} did not pass its gates")


def _record(run: Run, state: str, made: Release, started: float, waiting: int = 0) -> None:
    counts = {"release": made.id, "gates": len(made.gates), "gates_failed": len(made.failed_gates)}
    counts["taken_down_meanwhile"] = waiting
    record(run, STAGE, _UNIT, Outcome(state, counts), started)


def _states(made: Release) -> dict[str, str]:
    return {gate.name: gate.state for gate in made.gates}


def message(made: Release, live: int | None) -> str:
    """Return which gates a release did not pass, by how much, and where to look."""
    failed = [f"{gate.name}: {gate.finding} (look at {gate.look})" for gate in made.failed_gates]
    stays = "readers see no release yet" if live is None else f"readers go on seeing release {live}"
    return (
        f"release {made.id} did not pass {len(failed)} of {len(made.gates)} gates, and {stays}. "
        + "; ".join(failed)
        + ". Mend "
        "the cause and run again, change the limit in the section gates, or publish it as it is: --set refresh.force=true"
    )
