"""Samples that notes are compared with, exactly, without Spark: entries, scores by blocks, thresholds, decisions."""

from __future__ import annotations

from uninote.gallery.opening import Gallery, Match

__all__ = ["Gallery", "Match"]
