"""What a plan is of: the notes, a configuration, machines and rates, which every stage's formulas take."""

from __future__ import annotations

from dataclasses import dataclass

from uninote.planning.rates import Rates
from uninote.planning.workload import Machines, Settings, Workload


@dataclass(frozen=True)
class Case:
    """One question: this workload, by these settings, on these machines, at these rates."""

    workload: Workload
    settings: Settings
    machines: Machines
    rates: Rates
