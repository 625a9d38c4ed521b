"""RapidOCR: PP-OCR models for Chinese, English and Latin letters by ONNX Runtime, all in their wheels.

One thread, since Spark runs a task a core. Measured on photographs of 640 pixels: about 1 CPU-second each, 540 MB of memory;
on images of 2000 × 2000: 8 CPU-seconds and 1.1 GB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uninote.errors import UninoteError
from uninote.ocr.reader import INSTALL, ReadText

# By their places: of a model that it does not find, the library would go and fetch one.
_MODELS = {
    "Det.model_path": "PP-OCRv6_det_small.onnx",
    "Cls.model_path": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec.model_path": "PP-OCRv6_rec_small.onnx",
}
_SETTINGS = {
    "Global.log_level": "critical",
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def load() -> ReadText:
    """Return a reader with its models in memory. Raises UninoteError where the installation lacks one."""
    try:
        import cv2
        import rapidocr
    except ImportError as error:
        raise UninoteError(
            f"the reader of texts in images cannot be loaded here ({error}); {INSTALL} on every host"
        ) from error
    folder = Path(rapidocr.__file__).parent / "models"
    models = {key: folder / name for key, name in _MODELS.items()}
    absent = [path.name for path in models.values() if not path.is_file()]
    if absent:
        raise UninoteError(f"{folder} lacks {', '.join(absent)}, which come with rapidocr 3.10; {INSTALL}")
    cv2.setNumThreads(1)
    engine = rapidocr.RapidOCR(params=_SETTINGS | {key: str(path) for key, path in models.items()})

    def read(image: np.ndarray) -> str:
        # OpenCV's order of colours is the reverse.
        found = engine(np.ascontiguousarray(image[:, :, ::-1]))
        return join_lines(found.boxes, found.txts) if found.txts else ""

    return read


def join_lines(boxes: np.ndarray, texts: Sequence[str]) -> str:
    """Return texts from top to bottom, each (4, 2) of `boxes` having the corners of one; those side by side make one line."""
    tops = boxes[:, :, 1].min(axis=1)
    bottoms = boxes[:, :, 1].max(axis=1)
    joined = texts[0]
    for n in range(1, len(texts)):
        # Words of a line often come in boxes of their own: their heights then overlap by more than half.
        shared = min(bottoms[n], bottoms[n - 1]) - max(tops[n], tops[n - 1])
        is_beside = shared > 0.5 * min(bottoms[n] - tops[n], bottoms[n - 1] - tops[n - 1])
        joined += f"{' ' if is_beside else chr(10)}{texts[n]}"
    return joined
