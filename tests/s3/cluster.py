"""A Spark cluster of one machine: a master and workers as processes of their own, each with folders and a package of its own.

For the workers the driver's folder is empty, as on another host, and the project is out of a wheel: what is not in the lake,
in the job or in that wheel is not there for them.
"""

from __future__ import annotations

import json
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
from urllib.request import urlopen

from s3_server import free_port

from uninote.install.spark import spark_home

ROOT = Path(__file__).parents[2]
# In a mount namespace of its own, with nothing in the folder that is the first argument.
ELSEWHERE = 'mount -t tmpfs none "$0" && exec "$@"'
START_S = 90
CORES = 1  # of a worker


@dataclass
class Worker:
    """One worker of the cluster, and the folder in which it and its executors have everything."""

    folder: Path
    process: subprocess.Popen[bytes]

    def take_away(self) -> None:
        """Tell the worker that its host goes, as the cloud does of a spot machine."""
        os.kill(self.process.pid, signal.SIGPWR)

    def kill(self) -> None:
        """End the worker and its executors at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(START_S)


@dataclass
class Cluster:
    """A master and its workers: `folder` is theirs, `hidden` is the driver's, `jars` are on every host."""

    folder: Path
    hidden: Path
    jars: Path
    master: str
    page: int = field(default_factory=free_port)
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
            "SPARK_WORKER_OPTS": "-Dspark.worker.cleanup.enabled=false -Dspark.decommission.enabled=true",
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
        process = self._start(
            [*command, "--work-dir", str(folder / "work")], folder / "worker.log", settings, self._unshare()
        )
        self._wait_for_workers(number + 1, folder / "worker.log")
        self.workers.append(Worker(folder, process))
        return self.workers[-1]

    def start_master(self) -> None:
        """Start the master, and return when it listens."""
        port = self.master.rpartition(":")[2]
        command = ["master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", str(self.page)]
        self._start(command, self.folder / "master.log", {}, [])
        self._wait_for_workers(0, self.folder / "master.log")

    def _wait_for_workers(self, count: int, log: Path) -> None:
        """Return when the master's page has so many workers; one that was killed stays there for a while."""
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            try:
                with urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as page:
                    if len(json.load(page)["workers"]) >= count:
                        return
            except OSError:
                pass  # it does not listen yet
            time.sleep(0.1)
        raise RuntimeError(f"there are no {count} workers; {log} ends: {log.read_text(errors='replace')[-500:]}")

    def _start(
        self, command: list[str], log: Path, settings: dict[str, str], within: list[str]
    ) -> subprocess.Popen[bytes]:
        script = spark_home() / "bin" / "spark-class"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SPARK_"))}
        environment |= {"SPARK_HOME": str(spark_home()), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
        environment |= settings
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*within, str(script), f"org.apache.spark.deploy.{command[0]}", *command[1:]],
                stdout=output,
                stderr=output,
                env=environment,
                # A group of its own, which executors belong to as well.
                start_new_session=True,
                cwd="/",
            )
        self.processes.append(process)
        return process

    def _unshare(self) -> list[str]:
        as_root = [] if os.getuid() == 0 else ["--map-root-user"]
        return ["unshare", "--mount", *as_root, "sh", "-c", ELSEWHERE, str(self.hidden)]

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
def spark_cluster(folder: Path, hidden: Path, jars: Path, workers: int) -> Iterator[Cluster]:
    """Run a cluster in `folder`, which does not lie in the driver's, `hidden`."""
    cluster = Cluster(folder, hidden, jars, f"spark://127.0.0.1:{free_port()}")
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
