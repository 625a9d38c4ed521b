"""What a task of the full join holds in memory: no more than the plan counts on, measured from outside of the code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from uninote.config.sections.neighbours import NeighboursConfig, RuleConfig
from uninote.neighbours.planning.cells import capacity, task_bytes

TASK = """
import sys
import numpy as np
import pyarrow as pa
from udfs.neighbours.full_join import JoinTask, make_cell_join
from uninote.config.sections.neighbours import NeighboursConfig, RuleConfig
from uninote.neighbours.kernel.settings import Search
from uninote.neighbours.background import Background
from uninote.neighbours.by_rule.rules import Rule
from uninote.neighbours.planning.cells import capacity

WIDTH, BATCH = 256, 2000
rules = {"by_author": RuleConfig(same=("author",))} if sys.argv[2] == "same" else {}
settings = NeighboursConfig(task_mib=int(sys.argv[1]), tables=rules)
rows = capacity(settings, WIDTH)
rng = np.random.default_rng(0)
centres = rng.normal(size=(rows // 100, WIDTH)).astype(np.float32)

def batches(count):
    for start in range(0, count, BATCH):
        keys = np.arange(start, min(start + BATCH, count))
        near = centres[rng.integers(len(centres), size=len(keys))]
        vectors = near + 0.7 * rng.normal(size=near.shape).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        offsets = pa.array(np.arange(len(keys) + 1, dtype=np.int32) * WIDTH)
        lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel().astype(np.float32)))
        authors = pa.array([f"author {number}" for number in rng.integers(rows // 50, size=len(keys))])
        yield pa.record_batch({"item_key": keys, "note_id": keys, "vector": lists, **({"author": authors} if rules else {})})

listed = 0

def sink(name, lists):
    global listed
    for batch in lists:
        listed += len(batch)
    return iter(())

drawn = np.random.default_rng(1).standard_normal((1000, WIDTH)).astype(np.float32)
background = Background.of(np.arange(1000), drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
search = Search(settings.k, settings.k + settings.slack, settings.recall_target, 0)
made = {name: Rule(same=rule.same) for name, rule in settings.rules.items()}
join = make_cell_join(JoinTask(made, search, WIDTH, background), sink, lambda *_: iter(()), lambda _: None)
list(join(batches(3 * BATCH)))  # compiles, or loads what was compiled
listed = 0
open("/proc/self/clear_refs", "w").write("5")  # the peak is counted from here
list(join(batches(rows)))
peak = next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
import json
print(json.dumps({"rows": rows * len(made), "listed": listed, "peak_mib": peak}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
@pytest.mark.parametrize("rule", ["none", pytest.param("same", marks=pytest.mark.more)])
def test_a_task_as_large_as_planned_stays_within_its_memory(rule):
    task_mib = 700
    # In a process of its own: compiling takes memory that a task, which loads what the driver compiled, does not.
    compile_first = "from uninote.neighbours.compiling import compile_kernels; compile_kernels()"
    subprocess.run([sys.executable, "-c", compile_first], check=True, capture_output=True, timeout=600)
    command = [sys.executable, "-c", TASK, str(task_mib), rule]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr[-2000:]
    measured = json.loads(ended.stdout.splitlines()[-1])
    assert measured["listed"] == measured["rows"] > 10_000
    assert measured["peak_mib"] <= task_mib
    # A plan that counts on far more than a task takes would cut the corpus into cells too early.
    assert measured["peak_mib"] > 0.8 * task_mib


@pytest.mark.parametrize("task_mib", [600, 3072])
@pytest.mark.parametrize("width", [64, 1024])
@pytest.mark.parametrize("tables", [{}, {"by_author": RuleConfig(same=("author",))}])
def test_a_task_holds_as_many_rows_as_fill_its_memory(task_mib, width, tables):
    settings = NeighboursConfig(task_mib=task_mib, tables=tables)
    rows = capacity(settings, width)
    assert task_bytes(settings, width, rows) <= task_mib << 20 < task_bytes(settings, width, rows + rows // 100)


def test_a_task_of_rules_holds_fewer_rows():
    rows = []
    for rule in (RuleConfig(), RuleConfig(different=("author",)), RuleConfig(same=("author",))):
        rows.append(capacity(NeighboursConfig(tables={"ruled": rule}), 128))
    assert rows[0] > rows[1] > rows[2] > rows[0] / 2
