"""Jars beside those that Spark brings, from a folder or through the Ivy inside pyspark: Delta's, and Hadoop's for S3."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from uninote.install.spark import DELTA_JAR, InstallError

HADOOP = "org.apache.hadoop"
Artifact = tuple[str, str, str]  # organisation, name, version

# Ivy ships inside pyspark; it honours the user's own settings file, and hence any mirror, through --ivy-settings.
# Everything excluded here is on Spark's class path already, in the version Spark was built with. Of an artifact of Hadoop's
# itself, what it is `provided` with is not fetched either.
IVY_MODULE = """<ivy-module version="2.0">
  <info organisation="uninote" module="jars"/>
  <dependencies>
    <dependency org="{org}" name="{name}" rev="{version}" conf="*->master,runtime,compile"/>
    {hadoop}<exclude org="org.scala-lang"/><exclude org="org.apache.logging.log4j"/>
    <exclude org="org.slf4j"/><exclude org="org.apache.parquet"/><exclude org="com.github.luben"/>
    <exclude org="org.xerial.snappy"/><exclude org="commons-logging"/><exclude org="commons-pool"/>
    <exclude org="io.airlift"/><exclude org="javax.annotation"/><exclude org="com.google.code.findbugs"/>
    <exclude org="org.roaringbitmap"/><exclude org="org.antlr"/>
  </dependencies>
</ivy-module>
"""


def install_jars(home: Path, jar_folder: Path | None, ivy_settings: Path | None) -> list[str]:
    """Put Delta's jars beside Spark's own and return their names; from `jar_folder` when given, else through Ivy."""
    with tempfile.TemporaryDirectory() as scratch:
        source = jar_folder if jar_folder is not None else download(home, Path(scratch), DELTA_JAR, ivy_settings)
        return add_jars(source, home / "jars", DELTA_JAR)


def add_jars(source: Path, target: Path, last: Artifact) -> list[str]:
    """Copy the jars that `target` lacks, in whatever version, and return their names. Raises InstallError without `last`.

    `last` is the one whose presence means "done": it is copied when the others are there.
    """
    present = {_name(jar) for jar in target.glob("*.jar")}
    wanted = [jar for jar in sorted(source.glob("*.jar")) if _name(jar) not in present]
    wanted.sort(key=lambda jar: jar.name.startswith(last[1]))
    for jar in wanted:
        shutil.copy2(jar, target / jar.name)
    if not (target / f"{last[1]}-{last[2]}.jar").exists():
        raise InstallError(f"{source} does not hold {last[1]}-{last[2]}.jar; found: {[jar.name for jar in wanted]}")
    return [jar.name for jar in wanted]


def _name(jar: Path) -> str:
    return re.sub(r"-\d[\w.\-]*\.jar$", "", jar.name)


def download(home: Path, scratch: Path, artifact: Artifact, ivy_settings: Path | None) -> Path:
    """Return a folder below `scratch` with the jars of an artifact and of what it needs. Raises InstallError."""
    ivy = next((home / "jars").glob("ivy-*.jar"))
    org, name, version = artifact
    hadoop = "" if org == HADOOP else f'<exclude org="{HADOOP}"/>'
    module = scratch / "ivy.xml"
    module.write_text(IVY_MODULE.format(org=org, name=name, version=version, hadoop=hadoop))
    target = scratch / "jars"
    command = ["java", "-jar", str(ivy), "-ivy", str(module), "-types", "jar", "bundle"]
    command += ["-retrieve", f"{target}/[artifact]-[revision].[ext]"]
    if ivy_settings is not None:
        command += ["-settings", str(ivy_settings)]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode != 0 or not any(target.glob(f"{name}-*.jar")):
        raise InstallError(
            f"The jars of {org}:{name}:{version} could not be downloaded.\n"
            f"Behind a mirror: python -m uninote.install --ivy-settings <ivysettings.xml>\n"
            f"Without network: fetch the jars elsewhere, then python -m uninote.install --jars <folder with the jars>\n"
            f"Ivy said: {' | '.join(_complaints(finished.stdout + finished.stderr))}"
        )
    return target


def _complaints(printed: str) -> list[str]:
    lines = list(map(str.strip, printed.splitlines()))
    complaints = list(filter(re.compile(r"UNRESOLVED|FAILED|[Ee]xception|not found|refused").search, lines))
    return complaints[:5] or lines[-3:]
