"""The reader that comes with the extra `ocr`, where that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from uninote.ocr.reader import ReadText, TextReader

_PACKAGES = ("rapidocr", "onnxruntime")


def find_reader() -> TextReader | None:
    """Return the reader that is installed, null without the extra `ocr`. Loads nothing."""
    try:
        found = {name: version(name) for name in _PACKAGES}
    except PackageNotFoundError:
        return None
    return TextReader(f"rapidocr-{found['rapidocr']}", _load)


def _load() -> ReadText:
    # Imported where it runs: it brings OpenCV and the models, which only a worker needs.
    from uninote.ocr.rapid import load

    return load()
