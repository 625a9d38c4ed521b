"""What must hold of the Python, the locale and the Spark that a job runs with: made so where it can be, else one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyspark
from pyspark import SparkContext
from pyspark.errors import PySparkRuntimeError

from udfs import daemon
from uninote.errors import UninoteError
from uninote.install.spark import check_java, has_delta, spark_home

UTF_8 = "C.UTF-8"
_NO_CUDA = "PYTORCH_NVML_BASED_CUDA_CHECK"
_STARTED_BY_SPARK_SUBMIT = "PYSPARK_GATEWAY_PORT"


class SetupError(UninoteError):
    """This Python, this Spark or this locale cannot run a job; the message says what differs and what to set."""


def prepare_start() -> None:
    """Make the JVM, where this process starts it, one that reads names of files as UTF-8. Raises SetupError."""
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        raise SetupError(
            f"this Python reads names of files as {encoding}, not as UTF-8, and names outside ASCII would be lost; run with "
            f"LC_ALL={UTF_8} or PYTHONUTF8=1 in the environment"
        )
    _check_spark_home()
    # The JVM reads names of files by its locale, and takes it from this process where it is started from here.
    if _STARTED_BY_SPARK_SUBMIT not in os.environ:
        locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
        if "utf8" not in locale.lower().replace("-", ""):
            os.environ["LC_ALL"] = UTF_8


def check_started(context: SparkContext) -> None:
    """Raise SetupError unless the JVM reads names of files as UTF-8, and is of this pyspark's version."""
    system = context._jvm.java.lang.System  # type: ignore[union-attr]
    encoding = system.getProperty("sun.jnu.encoding")
    if encoding.upper() != "UTF-8":
        raise SetupError(
            f"Spark's JVM reads names of files as {encoding}, not as UTF-8, and names outside ASCII would be lost, so that two "
            f"lakes could be one; set LC_ALL={UTF_8} where spark-submit starts, or run python -m uninote.install once more, "
            "which sets it for the Spark of this environment"
        )
    if context.version != pyspark.__version__:
        raise SetupError(_versions_differ(context.version, os.environ.get("SPARK_HOME", "its SPARK_HOME")))


def choose_python(context: SparkContext) -> None:
    """Let Python workers run what the driver runs, where they are on its machine; else what Spark's settings name.

    Without it a job started as `.venv/bin/python jobs/…` has workers of whatever `python3` comes first on PATH.
    """
    if str(context.master).startswith("local"):
        context.pythonExec = sys.executable
    elif "PYSPARK_PYTHON" not in os.environ:
        context.pythonExec = context.getConf().get("spark.pyspark.python", context.pythonExec)


def share_imports(context: SparkContext, joins: bool) -> None:
    """Let Python workers be forks of a process that has imported what they need, where they are on the driver's machine.

    Of `joins`: what the neighbours stage needs too. Executors elsewhere may not find this project before their first task.
    """
    if str(context.master).startswith("local"):
        # Only the session knows its master, and Spark reads this setting at its first worker.
        context._jsc.sc().conf().set("spark.python.daemon.module", daemon.__name__)
        modules = ",".join([*daemon.EACH, *([daemon.NEIGHBOURS] if joins else [])])
        # A session that is opened again keeps its own: other modules are another process, with workers of its own.
        context.environment.setdefault(daemon.MODULES, modules)


def shares_imports(context: SparkContext) -> bool:
    """Say whether workers are forks of a process that has imported what they need."""
    return daemon.MODULES in context.environment


@contextmanager
def importing(context: SparkContext, modules: Sequence[str]) -> Iterator[None]:
    """Let the functions for workers that are made within run in forks of a process that has imported `modules`.

    torch and sentence-transformers take 9 CPU-seconds (measured), in each worker that imports them. These workers are apart
    from all others: Spark gives a task any idle worker of its environment, and one without the model would load it again.
    """
    before = context.environment.get(daemon.MODULES)
    if before is None or not modules:
        yield
        return
    context.environment[daemon.MODULES] = ",".join([*daemon.EACH, *modules])
    # Asked for GPUs, torch would else start CUDA in the process that is forked, and it would not work in a fork.
    context.environment[_NO_CUDA] = "1"
    try:
        yield
    finally:
        context.environment[daemon.MODULES] = before
        del context.environment[_NO_CUDA]


def why_not_started(error: PySparkRuntimeError) -> SetupError:
    """Return what to say when no JVM came up. Raises InstallError when its Java is too old or missing."""
    check_java()
    return SetupError(
        f"Spark's JVM did not start ({error}); what it wrote above says why, most often spark.driver.memory beyond what the "
        "machine has, or a setting of Spark's that it does not know"
    )


def no_delta() -> SetupError:
    """Return what to say when a session does not know Delta."""
    home = Path(os.environ.get("SPARK_HOME") or spark_home())
    state = "its jars are there, but" if has_delta(home) else "its jars are missing and"
    return SetupError(
        f"this Spark does not know Delta: {state} spark-defaults.conf does not enable it. Run: "
        f"python -m uninote.install (for the Spark in {spark_home()}), or give your own Spark, now {home}, the settings in "
        "conf/spark-defaults.conf"
    )


def _check_spark_home() -> None:
    home = os.environ.get("SPARK_HOME")
    if not home:
        return
    jars = sorted((Path(home) / "jars").glob("spark-core_*.jar"))
    if not jars:
        raise SetupError(
            f"SPARK_HOME is {home}, where there is no Spark; unset it to run with the one in {spark_home()}"
        )
    # By the name of a jar, spark-core_2.13-4.0.0.jar: asking Spark itself would start a JVM, in seconds.
    version = jars[0].stem.rsplit("-", 1)[-1]
    if version != pyspark.__version__:
        raise SetupError(_versions_differ(version, home))


def _versions_differ(version: str, home: str) -> str:
    return (
        f"the Spark in {home} is {version}, this Python's pyspark is {pyspark.__version__}; unset SPARK_HOME to run with the "
        f"one in {spark_home()}, or let it name a Spark {pyspark.__version__}"
    )
