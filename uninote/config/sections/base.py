"""What all sections share: how values are checked, and the types that several of them use."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DEMO = "demo"  # the built-in corpus (as ingest.source) and the encoder trained on it (as model.checkpoint)
E5 = "e5"  # the encoder for real notes (as model.checkpoint)
AUTO = "auto"  # what the lake was made with, and for a new one what suits its notes

# A place: relative ones mean "from the config file's folder", or from the current folder when given with --set.
Location = Annotated[str, Field(min_length=1), "location"]
Width = Annotated[int, Field(ge=1)]
Kind = Literal["note", "image", "text", "ocr"]


class Section(BaseModel):
    """Strict, so that "8192" is not a number; closed, so that a typo is an error; frozen, so that nobody edits it later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
