"""benchmarks/gpu.py runs where only a part of our requirements is installed, and nobody has looked at it for long."""

import json
import math
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "gpu.py"
ABSENT = ("pydantic", "pyspark", "boto3", "botocore", "deltalake", "faiss", "peft", "sentence_transformers")
BARE = """
import os, runpy, sys
os.environ["CUDA_VISIBLE_DEVICES"] = ""
sys.modules.update(dict.fromkeys({absent!r}))  # None there: importing it fails
sys.argv = [{script!r}]
sys.path.insert(0, {folder!r})
runpy.run_path({script!r}, run_name="__main__")
"""
POSITIVE = {
    "patch_embed_linear_s", "patch_embed_conv3d_s", "text_notes_per_s", "text_tokens_per_s", "one_image_images_per_s",
    "four_images_images_per_s", "text_vs_bare_loop", "four_images_vs_bare_loop", "train_step_s", "train_tokens_per_s",
    "join_s",
}  # fmt: skip


def test_every_part_runs_without_cuda_and_without_what_a_bare_machine_lacks():
    code = BARE.format(absent=ABSENT, script=str(SCRIPT), folder=str(SCRIPT.parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert {name: value for name, value in figures.items() if name.endswith("_failed")} == {}
    assert figures["device"].startswith("cpu")
    assert all(math.isfinite(figures[name]) and figures[name] > 0 for name in POSITIVE)
    assert figures["patch_embed_max_difference"] < 1e-4
    assert figures["cos_between_notes"] < 0.9  # else the next two would say nothing
    assert max(figures["cos_cpu_float32"], figures["cos_alone_in_batch"]) < 1e-5
    assert (figures["train_items"], figures["train_adapters"], figures["join_share_timed"]) == (8, "plain", 1)
