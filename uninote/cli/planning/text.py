"""A plan for people."""

from __future__ import annotations

import sys
from typing import Any

from uninote.terminal import write

_COLUMNS = {
    "hours": "hours",
    "core_hours": "core-hours",
    "gpu_hours": "GPU-hours",
    "task_mib": "MiB a task",
    "driver_mib": "MiB driver",
    "shuffled_gb": "GB shuffled",
    "written_gb": "GB written",
    "cost": "cost",
}
_EXACT = 100  # from here on without decimals


def print_plan(plan: dict[str, Any]) -> None:
    """Print a plan, and where each of its rates is from."""
    workload, machines, stored = plan["workload"], plan["machines"], plan["storage"]
    widths = ", ".join(map(str, workload["widths"]))
    lines = [
        f"{workload['notes']:,} notes, {workload['changed']:,} changed a night, widths {widths}; {machines['cores']:,} cores, "
        f"{machines['gpus']:,} GPUs",
        *_run("first run", plan["first_run"]),
        *_run("a night", plan["night"]),
        "",
        *(f"{name:<24}{_figure(size):>10} GB" for name, size in stored["tables_gb"].items()),
        f"{'one version of all':<24}{_figure(stored['live_gb']):>10} GB",
        f"{'with what is kept':<24}{_figure(stored['kept_gb']):>10} GB, {_figure(stored['month_cost'])} a month",
        f"{'a month, nights and all':<24}{_figure(plan['month_cost']):>10}",
        "",
        *(f"{rate['name']:<20}{rate['value']:<11.4g}{rate['unit']}; {_origin(rate)}" for rate in plan["rates"]),
    ]
    write(sys.stdout, "\n".join(lines) + "\n")


def _run(name: str, run: dict[str, Any]) -> list[str]:
    lines = ["", f"{name:<11}" + "".join(f"{column:>13}" for column in _COLUMNS.values())]
    for stage, values in run["stages"].items():
        cells = "".join(f"{_figure(values[column]):>13}" for column in _COLUMNS)
        lines.append(f"{stage:<11}{cells}  {values['why']}".rstrip())
    together = {"hours": _figure(run["hours"]), "cost": _figure(run["cost"])}
    lines.append(f"{'all':<11}" + "".join(f"{together.get(column, ''):>13}" for column in _COLUMNS))
    return lines


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= _EXACT else f"{value:.3g}"


def _origin(rate: dict[str, Any]) -> str:
    return (
        f"measured on this lake: {rate['source']}"
        if rate["origin"] == "measured"
        else f"{rate['origin']}: {rate['source']}"
    )
