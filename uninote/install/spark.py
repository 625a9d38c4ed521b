"""This environment's Spark: where it is, whether it has Delta, and the Java that it needs."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path

from uninote.errors import UninoteError

# One artifact per Spark minor version.
DELTA_JAR = ("io.delta", "delta-spark_4.2_2.13", "4.4.0")
MIN_JAVA = 17


class InstallError(UninoteError):
    """The environment cannot be made ready; the message holds the remedy."""


def spark_home() -> Path:
    """Return the folder of the installed pyspark package, which is this environment's SPARK_HOME."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise InstallError("pyspark is not installed in this environment; run: pip install .")
    return Path(found.origin).parent


def has_delta(home: Path) -> bool:
    """Say whether Delta's jars, in the version this release was tested with, are on Spark's class path."""
    return (home / "jars" / f"{DELTA_JAR[1]}-{DELTA_JAR[2]}.jar").exists()


def check_java() -> None:
    """Raise InstallError unless the `java` that Spark will start, JAVA_HOME's before PATH's, is new enough."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    try:
        printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        where = f"in JAVA_HOME, {home}" if home else "on PATH"
        raise InstallError(f"no working `java` {where} ({error}); Spark needs Java {MIN_JAVA} or newer") from error
    version = re.search(r'version "(\d+)', printed)
    if version is None or int(version[1]) < MIN_JAVA:
        said = printed.splitlines()[0] if printed.strip() else "nothing"
        raise InstallError(f"Spark needs Java {MIN_JAVA} or newer; `{java} -version` says: {said}")
