"""What Spark needs for a lake in S3: Hadoop's file system with Amazon's SDK, and a log in which no version is written twice."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from uninote.install.jars import HADOOP, add_jars, download
from uninote.install.spark import InstallError

SOURCE = Path(__file__).parent / "log_store" / "ConditionalLogStore.scala"
LOG_STORE_JAR = "uninote-log-store.jar"


def install_s3(home: Path, target: Path, ivy_settings: Path | None) -> list[str]:
    """Put the jars for `s3a://` into `target`, unless they are there, and return the names of those that are new."""
    target.mkdir(parents=True, exist_ok=True)
    artifact = (HADOOP, "hadoop-aws", hadoop_version(home))
    added = []
    if not (target / f"{artifact[1]}-{artifact[2]}.jar").exists():
        with tempfile.TemporaryDirectory() as scratch:
            added = add_jars(download(home, Path(scratch), artifact, ivy_settings), target, artifact)
    if not (target / LOG_STORE_JAR).exists():
        compile_log_store(home, target / LOG_STORE_JAR)
        added.append(LOG_STORE_JAR)
    return added


def hadoop_version(home: Path) -> str:
    """Return the version of Hadoop that this Spark was built with: its file systems must be of the same."""
    for jar in (home / "jars").glob("hadoop-client-api-*.jar"):
        if found := re.search(r"-(\d[\w.]*)\.jar$", jar.name):
            return found[1]
    raise InstallError(f"{home}/jars has no hadoop-client-api; s3a:// needs a Spark that was built with Hadoop")


def compile_log_store(home: Path, jar: Path) -> None:
    """Compile ConditionalLogStore against this Spark, with the compiler that its shell has.

    So no binary is shipped whose source nobody can check, and a Java runtime is enough. About 10 s.
    """
    jars = f"{home / 'jars'}/*"
    # Beside and renamed: a compiler that was stopped leaves half a jar.
    scratch = jar.with_name(f".{jar.name}")
    command = ["java", "-cp", jars, "scala.tools.nsc.Main", "-nowarn", "-usejavacp", "-d", str(scratch), str(SOURCE)]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode != 0:
        raise InstallError(f"{SOURCE.name} did not compile with the Spark in {home}: {finished.stdout[-500:]}")
    scratch.rename(jar)
