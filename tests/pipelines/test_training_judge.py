"""A judge's scores in the place of the encoder's: any function, asked for each pair once, whatever is killed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from builders import make_image, make_note, write_notes

from uninote.pipelines.training import training_set
from uninote.training.dataset.strategies import Strategy

pytestmark = [pytest.mark.spark, pytest.mark.slow]

MODULE = """
import hashlib, os
from pathlib import Path

version = 1
FOLDER = Path({folder!r})


def words(shown):
    whole = hashlib.sha256(repr(shown).encode()).hexdigest()[:12]
    return " ".join([shown.kind, shown.note.body, *map(str, map(len, shown.images)), whole])


def score(pairs):
    if (FOLDER / "stop").exists() and len(list(FOLDER.glob("*.said"))) >= 3:
        raise RuntimeError("stopped by the test")
    lines, scores = [], []
    for pair in pairs:
        line = words(pair.query) + " | " + words(pair.candidate)
        scores.append(int(hashlib.sha256(line.encode()).hexdigest()[:4], 16) / 0xFFFF)
        lines.append(line)
    (FOLDER / (hashlib.sha256(repr(lines).encode()).hexdigest() + f"-{{os.getpid()}}.said")).write_text("\\n".join(lines))
    return scores
"""


@pytest.fixture
def judge(tmp_path, spark):
    """The name of a judge that workers find, and the folder in which it writes what it was asked."""
    folder = tmp_path / "said"
    folder.mkdir()
    module = tmp_path / f"judge_{tmp_path.name.replace('-', '_')}.py"
    module.write_text(MODULE.format(folder=str(folder)))
    spark.sparkContext.addPyFile(str(module))
    return f"{module.stem}:score", folder


def asked(folder) -> Counter[str]:
    return Counter(line for path in folder.glob("*.said") for line in path.read_text().splitlines())


@pytest.mark.long
def test_each_pair_is_asked_for_once_though_a_run_was_killed(make_run, quick_model, judge, tmp_path, monkeypatch):
    monkeypatch.setattr("udfs.training.judging.TOGETHER", 8)
    name, folder = judge
    rows = []
    for number in range(30):
        path = make_image(tmp_path / f"images/{number}.png", (number, 2 * number, 200))
        caption = f"caption {number}"
        rows.append(make_note(f"n{number}", images=[{"uri": str(path), "ocr": f"sign {number}", "caption": caption}]))
    settings = ("training.teacher=model", "training.window=[-1, 1]", "training.max_without_negatives=1")
    run = make_run(*quick_model, "training.eval_share=0.2", "training.negatives=4", *settings, f"training.judge={name}")
    write_notes(run, rows, tmp_path / "images")
    (folder / "stop").touch()
    with pytest.raises(Exception, match="stopped by the test"):
        training_set.make_training_set(run)
    first = asked(folder)
    assert first
    (folder / "stop").unlink()
    data = training_set.training_set(run)
    everything = asked(folder)
    assert first.keys() < everything.keys()
    assert set(everything.values()) == {1}

    examples = data.examples(Strategy.IMAGE_TO_TEXT, "train")
    for query, items, scores in zip(examples.queries, examples.candidates, examples.scores, strict=True):
        for item, score in zip(items[items >= 0], scores[items >= 0], strict=True):
            assert 0 <= score <= 1
            assert data.kinds[item] == "text"
            text = data.note(int(item)).body
            size = len(data._images.content(data.note(int(query)).images[0].uri))
            assert any(line.startswith(f"image  {size} ") and f" | text {text} " in line for line in everything)
        # What the judge finds as good as the right answer is no negative.
        assert (scores[1:][items[1:] >= 0] <= scores[0] - 0.01 + 1e-6).all()
    assert np.isfinite(examples.scores[:, 0]).all()

    # Another set of the same notes: the judge has said all that it needs.
    again = make_run(
        *quick_model, "training.eval_share=0.2", "training.negatives=2", *settings, f"training.judge={name}"
    )
    assert training_set.make_training_set(again) != str(data.folder)
    assert asked(folder) == everything
