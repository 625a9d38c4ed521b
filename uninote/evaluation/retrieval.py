"""Measures an encoder on the eval split of a training set: each strategy at each width."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL.Image import Image

from uninote.evaluation.left_out import is_seen
from uninote.evaluation.metrics import kendall_tau, ndcg_at, precision_at, recall_at
from uninote.evaluation.ranks import Question, ranks_of
from uninote.evaluation.tables import Score, Table
from uninote.evaluation.text_baseline import tfidf_rows
from uninote.model.encoder import Encoder, Prepared
from uninote.model.input.text import text_of
from uninote.notes.note import Note
from uninote.training.dataset.schemas import EVAL
from uninote.training.dataset.strategies import Strategy
from uninote.training.dataset.training_set import RankedList, TrainingSet
from uninote.vectors.widths import truncate

View = Callable[[Note, list[Image]], tuple[Note, list[Image]]]
PORTION = 256
WORDS = "TF-IDF"  # the name of its table
# image_to_note by what the note says of the query's image, which it does not show: its description, or nothing.
DESCRIBED = "image_to_note_described"
UNDESCRIBED = "image_to_note_undescribed"


@dataclass(frozen=True)
class _Trial:
    """The queries of one strategy, or of a part of one: item numbers, each with its relevant items, best first."""

    name: str
    strategy: Strategy
    relevant: Mapping[int, Sequence[int]]
    gallery: Sequence[int]
    is_ranked: bool = False


@dataclass(frozen=True)
class _Embedded:
    """The `items`, int64 ascending, that were embedded, with their `vectors`, float32 (items, width), dense or sparse.

    `groups`, int64, has the group of near-duplicates of every item of the set, by its number.
    """

    items: np.ndarray
    vectors: Any
    groups: np.ndarray

    def of(self, items: Sequence[int]) -> Any:
        """Return the vectors of some items, float32 (len(items), width)."""
        return self.vectors[np.searchsorted(self.items, np.array(items, np.int64))]


def evaluate(
    name: str, encoder: Encoder, data: TrainingSet, widths: Sequence[int] | None = None, view: View | None = None
) -> Table:
    """Return the table of `encoder` on the eval split of `data`, at `widths` (null: those that it declares).

    A strategy's gallery holds every target of its eval examples; note_to_note is measured on ranked lists, whose gallery
    are all their relevant and noise items. Of an item's own group only its answers count, the others are left out.
    image_to_note is there once more as DESCRIBED and as UNDESCRIBED.
    `view` changes what the encoder is shown, as baselines do. Strategies without eval examples are not in the table, nor,
    of an encoder that reads texts alone, those of images.
    """
    trials = []
    for trial in _trials(data):
        if is_seen(trial.strategy, encoder.sees_images):
            trials.append(trial)
    wanted: set[int] = set()
    for trial in trials:
        wanted.update(trial.relevant, trial.gallery)
    # Each item is embedded once, whatever the number of trials and widths: the model is what takes time.
    items = sorted(wanted)
    vectors = _vectors(encoder, data, items, view)
    scores = []
    for width in widths or encoder.widths:
        embedded = _Embedded(np.array(items), truncate(vectors, width), data.groups)
        for trial in trials:
            scores.append(_score(trial, embedded))
    return Table(name, tuple(scores))


def evaluate_words(data: TrainingSet) -> Table:
    """Return the table of TF-IDF over the texts of the same items: what plain words find. Its width is that of its n-grams.

    What has no text scores as chance does.
    """
    trials = list(_trials(data))
    wanted: set[int] = set()
    for trial in trials:
        wanted.update(trial.relevant, trial.gallery)
    items = sorted(wanted)
    texts = [text_of(data.note(item)) for item in items]
    if not any(text.strip() for text in texts):
        return Table(WORDS, ())
    embedded = _Embedded(np.array(items), tfidf_rows(texts), data.groups)
    return Table(WORDS, tuple(_score(trial, embedded) for trial in trials))


def _trials(data: TrainingSet) -> Iterable[_Trial]:
    for strategy in data.strategies(EVAL):
        # Note to note is measured on ranked lists, below.
        if strategy is Strategy.IMAGE_TO_NOTE:
            yield from _trials_of_images(data)
        elif strategy is not Strategy.NOTE_TO_NOTE:
            yield _trial_of_pairs(strategy.value, strategy, _pairs(strategy, data))
    if lists := data.ranked(EVAL):
        yield _trial_of_lists(lists)


def _trials_of_images(data: TrainingSet) -> Iterator[_Trial]:
    """Yield image→note, and the same again by whether the description of the query's image is in the note.

    Each has a gallery of its own. A query whose note is there with the image or its description and without counts in the
    first by the one with.
    """
    strategy = Strategy.IMAGE_TO_NOTE
    pairs = _pairs(strategy, data)
    described = [(query, note) for query, note in pairs if data.note(note).described]
    undescribed = [pair for pair in pairs if not _tells(data, *pair)]
    bare = set(undescribed)
    told = {query for query, note in pairs if (query, note) not in bare}
    yield _trial_of_pairs(strategy.value, strategy, [pair for pair in pairs if pair not in bare or pair[0] not in told])
    for name, part in ((DESCRIBED, described), (UNDESCRIBED, undescribed)):
        if part:
            yield _trial_of_pairs(name, strategy, part)


def _tells(data: TrainingSet, query: int, note: int) -> bool:
    """Say whether a note shows the image of a query, or has its description."""
    found = data.note(note)
    ((image, *_), shown) = data.note(query).images, found.images
    return bool(found.described) or image.uri in {one.uri for one in shown}


def _pairs(strategy: Strategy, data: TrainingSet) -> list[tuple[int, int]]:
    examples = data.examples(strategy, EVAL)
    return list(zip(examples.queries.tolist(), examples.candidates[:, 0].tolist(), strict=True))


def _trial_of_pairs(name: str, strategy: Strategy, pairs: Iterable[tuple[int, int]]) -> _Trial:
    relevant: dict[int, list[int]] = defaultdict(list)
    gallery: set[int] = set()
    for query, positive in pairs:
        gallery.add(positive)
        if positive not in relevant[query]:
            relevant[query].append(positive)
    return _Trial(name, strategy, relevant, sorted(gallery))


def _trial_of_lists(lists: Sequence[RankedList]) -> _Trial:
    relevant = {}
    gallery: set[int] = set()
    for one in lists:
        relevant[one.query] = one.relevant
        gallery.update(one.relevant)
        gallery.update(one.noise)
    return _Trial(Strategy.NOTE_TO_NOTE.value, Strategy.NOTE_TO_NOTE, relevant, sorted(gallery), is_ranked=True)


def _vectors(encoder: Encoder, data: TrainingSet, items: Sequence[int], view: View | None) -> np.ndarray:
    parts = [np.zeros((0, encoder.full_width), dtype=np.float32)]
    # A portion at a time: prepared images of all items would not fit into memory.
    for start in range(0, len(items), PORTION):
        prepared = []
        for item in items[start : start + PORTION]:
            note = data.note(item)
            prepared.append(_prepared(encoder, data, note, view))
        parts.append(encoder.embed(prepared))
    return np.concatenate(parts)


def _prepared(encoder: Encoder, data: TrainingSet, note: Note, view: View | None) -> Prepared:
    if view is not None:
        images = data.images(note) if encoder.sees_images else []
        return encoder.prepare(*view(note, images))
    if not encoder.sees_images:
        return encoder.prepare(note, [])
    # Each image is resized as soon as it is decoded: a note may have many, and each is large before.
    return encoder.prepare(note, data.reduced_images(note, encoder.fit))


def _score(trial: _Trial, embedded: _Embedded) -> Score:
    questions = _questions(trial, embedded.groups)
    ranks = ranks_of(embedded.of(list(trial.relevant)), embedded.of(trial.gallery), questions)
    chances = []
    for question in questions:
        chances.append(min(1.0, 10 / (len(trial.gallery) - len(question.left_out))))
    plain = Score(
        strategy=trial.name,
        width=embedded.vectors.shape[1],
        queries=len(ranks),
        gallery=len(trial.gallery),
        recall_1=_mean(recall_at, ranks, 1),
        recall_5=_mean(recall_at, ranks, 5),
        recall_10=_mean(recall_at, ranks, 10),
        chance=float(np.mean(chances)),
    )
    return _with_order(plain, ranks) if trial.is_ranked else plain


def _questions(trial: _Trial, groups: np.ndarray) -> list[Question]:
    """Return a trial's queries; the rows of their answers count in its gallery."""
    place = {item: number for number, item in enumerate(trial.gallery)}
    members: dict[int, list[int]] = defaultdict(list)
    for item in trial.gallery:
        members[int(groups[item])].append(item)
    questions = []
    for number, (query, answers) in enumerate(trial.relevant.items()):
        # Near-duplicates of the query are neither right nor wrong answers: they are left out of its ranking.
        own = {query, *members[int(groups[query])]} - set(answers)
        left_out = tuple(place[item] for item in own if item in place)
        questions.append(Question(number, tuple(place[item] for item in answers), left_out))
    return questions


def _with_order(score: Score, ranks: Sequence[np.ndarray]) -> Score:
    """Return the score with what only ranked lists have: their answers stand in an order."""
    taus = []
    for one in ranks:
        tau = kendall_tau(one)
        if tau is not None:
            taus.append(tau)
    return replace(
        score,
        precision_1=_mean(precision_at, ranks, 1),
        precision_5=_mean(precision_at, ranks, 5),
        ndcg_10=_mean(ndcg_at, ranks, 10),
        tau=float(np.mean(taus)) if taus else None,
    )


def _mean(metric: Callable[[np.ndarray, int], float], ranks: Sequence[np.ndarray], k: int) -> float:
    # Each query counts the same, however many answers it has.
    return float(np.mean([metric(one, k) for one in ranks]))
