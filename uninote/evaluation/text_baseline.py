"""TF-IDF over character n-grams: what plain words find, beside which a figure of an encoder means something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NGRAMS = (1, 3)  # characters: Chinese has words of one, and no spaces between them


def tfidf_rows(texts: Sequence[str]) -> Any:
    """Return unit TF-IDF vectors of texts, a sparse matrix (len(texts), n-grams); of a text without a character, zeros."""
    # Imported here: it takes 1.5 CPU-seconds, and only reports and evaluations need it.
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=NGRAMS, sublinear_tf=True, dtype=np.float32)
    return vectorizer.fit_transform(texts)


def tfidf_scores(texts: Sequence[str], queries: int) -> np.ndarray:
    """Return the cosines of the first `queries` texts with all texts, float32 (queries, len(texts)).

    A text without a character scores 0 with all, itself included.
    """
    if not any(text.strip() for text in texts):
        return np.zeros((queries, len(texts)), np.float32)
    rows = tfidf_rows(texts)
    scores: np.ndarray = (rows[:queries] @ rows.T).toarray()
    return scores
