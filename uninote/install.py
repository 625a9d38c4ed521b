"""Make this environment ready: Delta's jars and Spark's settings where its spark-submit looks, and compiled functions.

Delta must be on the class path before the JVM starts, so a setting made inside a job comes too late. Run once after
`pip install`: `python -m uninote.install`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from uninote.errors import UninoteError
from uninote.terminal import write

DELTA_JAR = ("io.delta", "delta-spark_4.2_2.13", "4.4.0")  # one artifact per Spark minor version
MIN_JAVA = 17
CONF = Path(__file__).parent.parent / "conf"  # where a checkout has it
DEFAULTS = "spark-defaults.conf"
LOGGING = "log4j2.properties"
ENVIRONMENT = "spark-env.sh"

# Ivy ships inside pyspark; it honours the user's own settings file, and hence any mirror, through --ivy-settings.
# Everything excluded here is on Spark's class path already, in the version Spark was built with.
IVY_MODULE = """<ivy-module version="2.0">
  <info organisation="uninote" module="jars"/>
  <dependencies>
    <dependency org="{org}" name="{name}" rev="{version}" conf="*->master,runtime,compile"/>
    <exclude org="org.apache.hadoop"/><exclude org="org.scala-lang"/><exclude org="org.apache.logging.log4j"/>
    <exclude org="org.slf4j"/><exclude org="org.apache.parquet"/><exclude org="com.github.luben"/>
    <exclude org="org.xerial.snappy"/><exclude org="commons-logging"/><exclude org="commons-pool"/>
    <exclude org="io.airlift"/><exclude org="javax.annotation"/><exclude org="com.google.code.findbugs"/>
    <exclude org="org.roaringbitmap"/><exclude org="org.antlr"/>
  </dependencies>
</ivy-module>
"""


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


def install_jars(home: Path, jar_folder: Path | None, ivy_settings: Path | None) -> list[str]:
    """Put Delta's jars beside Spark's own and return their names; from `jar_folder` when given, else through Ivy."""
    with tempfile.TemporaryDirectory() as scratch:
        source = jar_folder if jar_folder is not None else _download(home, Path(scratch), ivy_settings)
        present = {_artifact(jar) for jar in (home / "jars").glob("*.jar")}
        wanted = [jar for jar in sorted(source.glob("*.jar")) if _artifact(jar) not in present]
        # The one whose presence means "done" goes last, so that an interrupted copy is not taken for a finished one.
        wanted.sort(key=lambda jar: jar.name.startswith(DELTA_JAR[1]))
        for jar in wanted:
            shutil.copy2(jar, home / "jars" / jar.name)
    if not has_delta(home):
        raise InstallError(
            f"{source} does not hold {DELTA_JAR[1]}-{DELTA_JAR[2]}.jar; found: {[j.name for j in wanted]}"
        )
    return [jar.name for jar in wanted]


def _artifact(jar: Path) -> str:
    return re.sub(r"-\d[\w.\-]*\.jar$", "", jar.name)


def _download(home: Path, scratch: Path, ivy_settings: Path | None) -> Path:
    ivy = next((home / "jars").glob("ivy-*.jar"))
    org, name, version = DELTA_JAR
    module = scratch / "ivy.xml"
    module.write_text(IVY_MODULE.format(org=org, name=name, version=version))
    target = scratch / "jars"
    command = ["java", "-jar", str(ivy), "-ivy", str(module), "-types", "jar", "bundle"]
    command += ["-retrieve", f"{target}/[artifact]-[revision].[ext]"]
    if ivy_settings is not None:
        command += ["-settings", str(ivy_settings)]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode != 0 or not any(target.glob(f"{name}-*.jar")):
        raise InstallError(
            f"Delta's jars ({org}:{name}:{version}) could not be downloaded.\n"
            f"Behind a mirror: python -m uninote.install --ivy-settings <ivysettings.xml>\n"
            f"Without network: fetch the jars elsewhere, then python -m uninote.install --jars <folder with the jars>\n"
            f"Ivy said: {' | '.join(_complaints(finished.stdout + finished.stderr))}"
        )
    return target


def _complaints(printed: str) -> list[str]:
    lines = list(map(str.strip, printed.splitlines()))
    complaints = list(filter(re.compile(r"UNRESOLVED|FAILED|[Ee]xception|not found|refused").search, lines))
    return complaints[:5] or lines[-3:]


def install_conf(home: Path, source: Path) -> Path:
    """Copy the three files that Spark looks for from `source`, with this interpreter for the Python workers."""
    missing = [name for name in (DEFAULTS, LOGGING, ENVIRONMENT) if not (source / name).is_file()]
    if missing:
        raise InstallError(f"{source} lacks {', '.join(missing)}; name the project's conf folder with --conf")
    target = home / "conf"
    target.mkdir(exist_ok=True)
    for name in (LOGGING, ENVIRONMENT):
        shutil.copy(source / name, target / name)
    # Without the last line, spark-submit runs whatever `python3` comes first on PATH.
    defaults = (source / DEFAULTS).read_text()
    (target / DEFAULTS).write_text(f"{defaults}\nspark.pyspark.python {sys.executable}\n")
    return target


def pin_interpreter(scripts: Path) -> bool:
    """Let the spark-submit in `scripts` find its Spark by this interpreter; says whether it had to be changed.

    As shipped it asks whichever `python3` comes first on PATH, or what PYSPARK_PYTHON names, which may have no Spark at all.
    """
    script = scripts / "find-spark-home"
    text = script.read_text() if script.is_file() else ""
    pinned = re.sub(r'\$\((?:\$PYSPARK_DRIVER_PYTHON|"[^"]+") "\$FIND', f'$("{sys.executable}" "$FIND', text)
    if pinned != text:
        script.write_text(pinned)
    return pinned != text


def compile_join() -> float:
    """Compile what the neighbours job runs, which keeps it on disk; returns the seconds that it took.

    About 25 CPU-seconds, once for each version on each kind of CPU: without it they would come in the middle of a run.
    """
    started = time.monotonic()
    from uninote.neighbours.compiling import compile_kernels

    compile_kernels()
    return time.monotonic() - started


def main(arguments: list[str] | None = None) -> int:
    """Install jars and defaults; 0 when the environment is ready, 1 with a message when it cannot be made so."""
    parser = argparse.ArgumentParser(prog="python -m uninote.install", description=__doc__)
    parser.add_argument("--jars", type=Path, help="folder with Delta's jars, for machines without network")
    parser.add_argument("--ivy-settings", type=Path, help="Ivy settings file that names your mirror")
    parser.add_argument(
        "--conf", type=Path, default=CONF, help="folder with spark-defaults.conf, log4j2.properties and spark-env.sh"
    )
    options = parser.parse_args(arguments)
    try:
        check_java()
        home = spark_home()
        added = [] if has_delta(home) else install_jars(home, options.jars, options.ivy_settings)
        conf = install_conf(home, options.conf)
        pin_interpreter(Path(sys.executable).parent)
    except InstallError as error:
        write(sys.stderr, f"error: {error}\n")
        return 1
    sys.stderr.write(f"Spark in {home} is ready: {len(added)} jars added, settings in {conf}\n")
    sys.stderr.write("compiling the join of neighbours, once on this machine …\n")
    sys.stderr.write(f"compiled in {compile_join():.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
