"""Codes of notes: a short list of integers for each note, by residual k-means, whose beginnings notes share that are alike."""

from uninote.codes.vocabulary import tokens

__all__ = ["tokens"]
