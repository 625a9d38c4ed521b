"""Making an environment's Spark ready, without touching the real one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from uninote.install.conf import install_conf, pin_interpreter
from uninote.install.jars import install_jars
from uninote.install.spark import DELTA_JAR, InstallError, check_java, has_delta, spark_home

ROOT = Path(__file__).parent.parent
JAR = f"{DELTA_JAR[1]}-{DELTA_JAR[2]}.jar"


@pytest.fixture
def home(tmp_path):
    """A Spark that has one library already."""
    (tmp_path / "spark" / "jars").mkdir(parents=True)
    (tmp_path / "spark" / "jars" / "zstd-jni-1.5.7-6.jar").touch()
    return tmp_path / "spark"


def jars(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text("jar")
    return folder


def test_only_jars_that_spark_lacks_are_added(home, tmp_path):
    source = jars(tmp_path / "jars", JAR, "delta-storage-4.4.0.jar", "zstd-jni-1.5.7-3.jar")
    assert set(install_jars(home, source, None)) == {JAR, "delta-storage-4.4.0.jar"}
    assert has_delta(home)
    assert not (home / "jars" / "zstd-jni-1.5.7-3.jar").exists()


def test_a_folder_without_delta_is_refused(home, tmp_path):
    with pytest.raises(InstallError, match=rf"does not hold {JAR}; found: \['other-1\.jar'\]"):
        install_jars(home, jars(tmp_path / "jars", "other-1.jar"), None)


def test_a_failed_download_says_what_to_do(home, tmp_path):
    settings = tmp_path / "ivysettings.xml"
    settings.write_text('<ivysettings><settings defaultResolver="none"/><resolvers><filesystem name="none">')
    (home / "jars" / "ivy-2.5.3.jar").symlink_to(next((spark_home() / "jars").glob("ivy-*.jar")))
    with pytest.raises(InstallError, match=r"python -m uninote\.install --jars <folder with the jars>"):
        install_jars(home, None, settings)


def test_settings_name_this_interpreter_for_the_workers(home):
    conf = install_conf(home, ROOT / "conf")
    assert f"spark.pyspark.python {sys.executable}" in (conf / "spark-defaults.conf").read_text()
    assert (conf / "log4j2.properties").exists()
    assert (conf / "spark-env.sh").exists()


def test_spark_submit_finds_its_spark_without_an_activated_environment(tmp_path):
    installed = (Path(sys.executable).parent / "find-spark-home").read_text()
    shipped = re.sub(r'\$\("[^"]+" "\$FIND', '$($PYSPARK_DRIVER_PYTHON "$FIND', installed)
    (tmp_path / "find-spark-home").write_text(shipped)
    assert pin_interpreter(tmp_path)
    assert not pin_interpreter(tmp_path)
    assert f'$("{sys.executable}" "$FIND' in (tmp_path / "find-spark-home").read_text()
    (tmp_path / "find_spark_home.py").write_text("print('found')")
    script = f"cd {tmp_path}; PYSPARK_PYTHON=/no/such SPARK_HOME=; . ./find-spark-home; printf %s $SPARK_HOME"
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout == "found"
    assert not pin_interpreter(tmp_path / "elsewhere")


def test_a_folder_without_settings_is_refused(home, tmp_path):
    with pytest.raises(
        InstallError, match=r"lacks spark-defaults\.conf, log4j2\.properties, spark-env\.sh; name the project's"
    ):
        install_conf(home, tmp_path)


@pytest.mark.parametrize(("printed", "found"), [('openjdk version "11.0.2"', "11.0.2"), ("nonsense", "nonsense")])
def test_an_old_java_is_told(tmp_path, monkeypatch, printed, found):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho '{printed}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(InstallError, match=rf"Java 17 or newer; `java -version` says: .*{found}"):
        check_java()


def test_no_java_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(InstallError, match="no working `java` on PATH"):
        check_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(InstallError, match=f"no working `java` in JAVA_HOME, {tmp_path} "):
        check_java()


@pytest.mark.parametrize(
    ("environment", "locale"),
    [
        ({}, "C.UTF-8"),
        ({"LC_ALL": "C"}, "C.UTF-8"),
        ({"LANG": "POSIX"}, "C.UTF-8"),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, "C.UTF-8"),
        ({"LC_ALL": "de_DE.ISO-8859-1"}, "C.UTF-8"),
        ({"LANG": "de_DE.UTF-8"}, ""),
        ({"LC_ALL": "en_US.utf8", "LANG": "C"}, "en_US.utf8"),
    ],
)
def test_spark_submit_starts_its_jvm_in_a_utf_8_locale(environment, locale):
    script = f'set -a; . {ROOT / "conf" / "spark-env.sh"}; printf %s "$LC_ALL"'
    done = subprocess.run(["bash", "-c", script], env={"PATH": os.environ["PATH"], **environment}, capture_output=True)
    assert done.stdout.decode() == locale
