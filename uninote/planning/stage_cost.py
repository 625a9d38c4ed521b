"""What one stage takes, and how long that lasts on given machines."""

from __future__ import annotations

from dataclasses import dataclass

from uninote.planning.workload import Machines


@dataclass(frozen=True)
class StageCost:
    """What one stage of a run takes.

    `core_seconds` can be shared out among `tasks` at a time; `gpu_seconds` go on beside them. `constant_s` is wall time that no
    core shortens: starting, planning queries, committing. `task_bytes` is the memory of one Python worker, `driver_bytes` what
    the driver holds that grows with the notes. `why` says what is out of the ordinary.
    """

    stage: str
    core_seconds: float
    gpu_seconds: float = 0.0
    constant_s: float = 0.0
    tasks: int = 1
    task_bytes: int = 0
    driver_bytes: int = 0
    shuffled_bytes: int = 0
    written_bytes: int = 0
    why: str = ""

    def seconds(self, machines: Machines) -> float:
        """Return the wall time: cores and GPUs work at the same time, and the slower of the two counts; then bytes are moved.

        What is shuffled is written and read, what is stored is written; that nothing is computed meanwhile is the worst case.
        """
        on_cores = self.core_seconds / max(1, min(machines.cores, self.tasks))
        on_gpus = self.gpu_seconds / max(1, machines.gpus)
        moved = (2 * self.shuffled_bytes + self.written_bytes) / (machines.cores * machines.bandwidth * 1e6)
        return self.constant_s + max(on_cores, on_gpus) + moved

    def cost(self, machines: Machines) -> float:
        """Return its price: all cores while it lasts, and all GPUs in a stage that uses them."""
        gpus = machines.gpus * machines.gpu_price if self.gpu_seconds else 0.0
        return self.seconds(machines) / 3600 * (machines.cores * machines.core_price + gpus)
