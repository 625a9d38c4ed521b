"""Samples that notes are compared with, exactly, without Spark: entries, scores by blocks, thresholds, decisions."""

from __future__ import annotations

from uninote.gallery.found import Match
from uninote.gallery.opening import Gallery

__all__ = ["Gallery", "Match"]
