"""Spark's settings and its Python, put where this environment's spark-submit looks."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from uninote.install.spark import InstallError

DEFAULTS = "spark-defaults.conf"
LOGGING = "log4j2.properties"
ENVIRONMENT = "spark-env.sh"


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
