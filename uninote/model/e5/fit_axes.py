"""`python -m uninote.model.e5.fit_axes FILE`: make the axes that come with the encoder (axes.safetensors)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from uninote.model.e5.folder import e5_folder
from uninote.model.sentence.additions import write_axes
from uninote.model.sentence.axes_fit import axes_of_model


def main(arguments: Sequence[str]) -> None:
    """Fit the axes to the unpacked model, and write the file."""
    write_axes(Path(arguments[0]), axes_of_model(e5_folder()))


if __name__ == "__main__":
    main(sys.argv[1:])
