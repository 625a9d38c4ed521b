"""A Spark cluster of one machine: a master and workers as processes of their own, each with folders and a package of its own.

The workers run as a user who may not enter the driver's folders, with the project out of a wheel: what is not in the lake, in
the job or in that wheel is not there for them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from s3_server import free_port

from uninote.install.spark import spark_home

ROOT = Path(__file__).parents[2]
NOBODY = 65534
START_S = 90
CORES = 1  # of a worker


@dataclass
class Worker:
    """One worker of the cluster, and the folder in which it and its executors have everything."""

    folder: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End the worker and its executors at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(START_S)


@dataclass
class Cluster:
    """A master, its workers, and the folder with the package that workers have."""

    folder: Path
    jars: Path
    master: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def add_worker(self) -> Worker:
        """Start a worker, and return when the master knows it."""
        number = len(self.workers)
        folder = self.folder / f"worker-{number}"
        for name in ("work", "tmp"):
            (folder / name).mkdir(parents=True)
        settings = {
            "PYTHONPATH": str(self.folder / "package"),
            "TMPDIR": str(folder / "tmp"),
            "SPARK_LOCAL_DIRS": str(folder / "tmp"),
            "HOME": str(folder),
            "SPARK_WORKER_OPTS": "-Dspark.worker.cleanup.enabled=false",
        }
        command = [
            "worker.Worker",
            self.master,
            "--cores",
            str(CORES),
            "--memory",
            "3g",
            "--webui-port",
            str(free_port()),
        ]
        user = NOBODY if os.getuid() == 0 else None
        if user is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user, user)
        process = self._start([*command, "--work-dir", str(folder / "work")], folder / "worker.log", settings, user)
        _wait_for(folder / "worker.log", "Successfully registered with master")
        self.workers.append(Worker(folder, process))
        return self.workers[-1]

    def start_master(self) -> None:
        """Start the master, and return when it listens."""
        port = self.master.rpartition(":")[2]
        command = ["master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", str(free_port())]
        self._start(command, self.folder / "master.log", {}, None)
        _wait_for(self.folder / "master.log", "I have been elected leader")

    def _start(
        self, command: list[str], log: Path, settings: dict[str, str], user: int | None
    ) -> subprocess.Popen[bytes]:
        script = spark_home() / "bin" / "spark-class"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SPARK_"))}
        environment |= {"SPARK_HOME": str(spark_home()), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
        environment |= settings
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(script), f"org.apache.spark.deploy.{command[0]}", *command[1:]],
                stdout=output,
                stderr=output,
                env=environment,
                user=user,
                # A group of its own, which executors belong to as well.
                start_new_session=True,
                cwd="/",
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(START_S)

    def settings(self) -> dict[str, str]:
        """Return Spark's settings for a job on this cluster."""
        # As an installation has them: in a folder of each host, and not sent with every job.
        path = f"{self.jars}/*"
        return {
            "spark.master": self.master,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.extraClassPath": path,
            "spark.executor.extraClassPath": path,
            "spark.executor.memory": "1g",
            "spark.pyspark.python": sys.executable,
            "spark.ui.enabled": "false",
        }


@contextmanager
def spark_cluster(folder: Path, jars: Path, workers: int) -> Iterator[Cluster]:
    """Run a cluster in `folder`, whose parents must be open to everybody."""
    cluster = Cluster(folder, jars, f"spark://127.0.0.1:{free_port()}")
    install_wheel(folder)
    try:
        cluster.start_master()
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.stop()


def install_wheel(folder: Path) -> None:
    """Build the project's wheel and unpack it into `folder`/package, as a cluster's image would have it."""
    source = folder / "source"
    ignored = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "tests", "benchmarks")
    shutil.copytree(ROOT, source, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder / "package"), str(source)], check=True, env=os.environ)
    shutil.rmtree(source)


def _wait_for(log: Path, text: str) -> None:
    ends = time.monotonic() + START_S
    while text not in log.read_text(errors="replace"):
        if time.monotonic() > ends:
            raise RuntimeError(f"{log} does not say {text!r}; it ends: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.1)
