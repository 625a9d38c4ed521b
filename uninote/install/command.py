"""Make this environment ready: Delta's jars and Spark's settings where its spark-submit looks, and compiled functions.

Delta must be on the class path before the JVM starts, so a setting made inside a job comes too late. Run once after
`pip install`: `python -m uninote.install`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from uninote.install.conf import install_conf, pin_interpreter
from uninote.install.jars import install_jars
from uninote.install.s3 import install_s3
from uninote.install.spark import InstallError, check_java, has_delta, spark_home
from uninote.terminal import write

CONF = Path(__file__).parents[2] / "conf"  # where a checkout has it


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
        "--s3",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FOLDER",
        help="add what a lake in S3 needs, 690 MB: to this environment's Spark, or into FOLDER, for spark.jars",
    )
    parser.add_argument(
        "--conf", type=Path, default=CONF, help="folder with spark-defaults.conf, log4j2.properties and spark-env.sh"
    )
    options = parser.parse_args(arguments)
    try:
        check_java()
        home = spark_home()
        added = [] if has_delta(home) else install_jars(home, options.jars, options.ivy_settings)
        if options.s3 is not None:
            added += install_s3(home, options.s3 if options.s3.name else home / "jars", options.ivy_settings)
        conf = install_conf(home, options.conf)
        pin_interpreter(Path(sys.executable).parent)
    except InstallError as error:
        write(sys.stderr, f"error: {error}\n")
        return 1
    sys.stderr.write(f"Spark in {home} is ready: {len(added)} jars added, settings in {conf}\n")
    sys.stderr.write("compiling the join of neighbours, once on this machine …\n")
    sys.stderr.write(f"compiled in {compile_join():.0f} s\n")
    return 0
