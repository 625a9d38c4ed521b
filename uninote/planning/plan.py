"""The whole plan: the stages of a first run and of a night, what the tables take, and where each rate is from."""

from __future__ import annotations

from dataclasses import asdict
from types import ModuleType
from typing import Any

from uninote.planning import codes, embed, index, ingest, match, neighbours, samples, storage
from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost
from uninote.planning.workload import Machines

_GB = 1e9
_NIGHTS = 365 / 12  # of a month


def make_plan(case: Case, kept_nights: int) -> dict[str, Any]:
    """Return the plan as plain values: hours, MiB, GB (10⁹ bytes) and money. Raises ConfigError where settings cannot be met.

    `kept_nights` are those whose files stay before a clean-up takes them.
    """
    others = [samples.every_run(case, stage) for stage in samples.STAGES]
    stages = _stages(case)
    first_run = [*(stage.first(case) for stage in stages), *others]
    night = [*(stage.night(case) for stage in stages), *others]
    nightly = _run(night, case.machines)
    stored = _storage(case, kept_nights, sum(stage.written_bytes for stage in night))
    return {
        "workload": asdict(case.workload) | {"changed": case.workload.changed},
        "machines": asdict(case.machines),
        "first_run": _run(first_run, case.machines),
        "night": nightly,
        "storage": stored,
        "month_cost": round(nightly["cost"] * _NIGHTS + stored["month_cost"], 2),
        "rates": [asdict(rate) for rate in case.rates.all.values()],
    }


def _stages(case: Case) -> list[ModuleType]:
    """Return the modules of the stages that grow with the notes: codes and matches where they are asked for."""
    stages = [ingest, embed, index]
    if case.settings.codes.enabled:
        stages.append(codes)
    stages.append(neighbours)
    if case.workload.gallery_entries:
        stages.append(match)
    return stages


def _run(stages: list[StageCost], machines: Machines) -> dict[str, Any]:
    return {
        "stages": {stage.stage: _stage(stage, machines) for stage in stages},
        "hours": sum(stage.seconds(machines) for stage in stages) / 3600,
        "cost": sum(stage.cost(machines) for stage in stages),
    }


def _stage(stage: StageCost, machines: Machines) -> dict[str, Any]:
    return {
        "hours": stage.seconds(machines) / 3600,
        "core_hours": stage.core_seconds / 3600,
        "gpu_hours": stage.gpu_seconds / 3600,
        "tasks": stage.tasks,
        "task_mib": stage.task_bytes / 2**20,
        "driver_mib": stage.driver_bytes / 2**20,
        "shuffled_gb": stage.shuffled_bytes / _GB,
        "written_gb": stage.written_bytes / _GB,
        "cost": stage.cost(machines),
        "why": stage.why,
    }


def _storage(case: Case, kept_nights: int, nightly_bytes: int) -> dict[str, Any]:
    """Return the bytes of each table, and with what the kept nights wrote beside them."""
    workload, neighbours_set = case.workload, case.settings.neighbours
    tables = {
        "notes": storage.notes_bytes(workload, case.rates),
        "items": storage.items_bytes(workload, case.rates),
        **{f"embeddings/w{width}": storage.width_bytes(workload, width) for width in workload.widths},
        **{f"index/w{width}": plan.total_bytes for width, plan in index.plans(case).items()},
        **({"codes": codes.codes_bytes(workload)} if case.settings.codes.enabled else {}),
        "neighbour lists": storage.list_bytes(workload, neighbours_set),
        "neighbour_rows": storage.rows_bytes(workload, case.settings.joined_width(workload)),
    }
    live = sum(tables.values())
    kept = live + kept_nights * nightly_bytes
    return {
        "tables_gb": {name: size / _GB for name, size in tables.items()},
        "live_gb": live / _GB,
        "kept_gb": kept / _GB,
        "month_cost": kept / _GB * case.machines.storage_price,
    }
