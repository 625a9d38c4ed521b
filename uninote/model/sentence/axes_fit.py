"""Principal axes of a model's vectors, from the demo's own texts.

The sample is what the demo says of its 43 topics, in Chinese and English: 387 names, words and sentences. The mean of both
languages' vectors stands for each, so that what tells the languages apart comes last.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from uninote.demo.texts.topics import TOPICS, Language
from uninote.model.compute.hardware import choose_placement
from uninote.model.sentence.additions import Axes, normalised
from uninote.model.sentence.encoder import SentenceEncoder
from uninote.notes.note import Note

LANGUAGES: tuple[Language, ...] = ("zh", "en")


def sample(language: Language) -> list[str]:
    """Return the texts of the sample in one language; those of the other follow in the same order."""
    texts = []
    for topic in TOPICS:
        words = topic.words(language)
        texts += [words.name, *words.keywords, *words.facts]
    return [text.replace("{n}", "3") for text in texts]


def axes_of_model(folder: Path) -> Axes:
    """Embed the sample with the model in `folder` as it is, without any axes, and return those of its vectors."""
    encoder = SentenceEncoder.load(folder, choose_placement(None, "cpu", "float32"))
    total = np.zeros((len(sample("en")), encoder.full_width), dtype=np.float32)
    for language in LANGUAGES:
        total += encoder.embed([encoder.prepare(Note(body=text), []) for text in sample(language)])
    return fit_axes(normalised(total))


def fit_axes(vectors: np.ndarray) -> Axes:
    """Return the principal axes of `vectors`, (n, width), largest variance first, each with its largest entry positive."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    axes = np.linalg.eigh(centred.T @ centred)[1].T[::-1]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return Axes(mean.astype(np.float32), (axes * np.sign(largest)[:, None]).astype(np.float32))
