"""One copy of a training set a host: shared by its processes, made whole or not at all, and gone once another set is read."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from coloured_discs import set_rows

from uninote.storage.private_folders import own_folder
from uninote.training.dataset import TrainingSet, host_copy
from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.writer import write_training_set

READ = """
import os, sys
from uninote.training.dataset import TrainingSet
data = TrainingSet(sys.argv[1])
print(data.images(data.note(0))[0].getpixel((32, 32)))
mapped = {line.split()[4] for line in open("/proc/self/maps") if "images.arrow" in line}
print(*mapped)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of copies of this test alone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return own_folder()


def make_set(folder):
    write_training_set(folder, set_rows())
    return folder


def copies(own):
    return sorted(path.name for path in own.glob("training-set-*") if path.is_dir())


def test_processes_map_one_file(own, tmp_path):
    folder = make_set(tmp_path / "set")
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-c", READ, str(folder)]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0].splitlines() for process in processes]
    assert said[0][0] == "(255, 0, 0)"
    assert said[0] == said[1]
    assert len(copies(own)) == 1
    assert said[0][1].split() == [str((own / copies(own)[0] / "images.arrow").stat().st_ino)]


def test_a_copy_goes_once_another_set_is_read_and_nobody_reads_it(own, tmp_path):
    first = TrainingSet(make_set(tmp_path / "first"))
    made = copies(own)
    second = TrainingSet(make_set(tmp_path / "second"))
    assert len(copies(own)) == 2
    assert first.images(first.note(0))
    del first, second
    third = TrainingSet(make_set(tmp_path / "third"))
    assert len(copies(own)) == 1
    assert made != copies(own)
    assert len(list(own.glob("training-set-*.used"))) == 1
    assert third.images(third.note(0))


def test_a_changed_set_is_copied_anew_and_a_copy_that_failed_leaves_nothing(own, tmp_path, monkeypatch):
    folder = make_set(tmp_path / "set")
    TrainingSet(folder)
    before = copies(own)
    os.utime(folder / "items/part-00000.parquet", ns=(1, 1))
    TrainingSet(folder)
    assert len(copies(own)) == 1
    assert copies(own) != before
    os.utime(folder / "items/part-00000.parquet", ns=(2, 2))

    def fail(*_):
        raise TrainingSetError("stopped halfway")

    monkeypatch.setattr(host_copy, "_conformed", fail)
    with pytest.raises(TrainingSetError, match="halfway"):
        TrainingSet(folder)
    assert copies(own) == []
