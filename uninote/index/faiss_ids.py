"""The keys that a FAISS file holds."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

FAISS_FILES = (b"Ix", b"Iw", b"IH")  # how the files of an index begin: its kind in four letters


def ids_in(path: Path) -> np.ndarray:
    """Return int64 (rows,): the keys in an IVF file, in no order; none of a file of another kind. Raises RuntimeError."""
    index = faiss.read_index(str(path))
    ivf = faiss.try_extract_index_ivf(index)
    found = [np.empty(0, np.int64)]
    if ivf is not None:
        lists = ivf.invlists
        for number in range(ivf.nlist):
            if size := lists.list_size(number):
                found.append(faiss.rev_swig_ptr(lists.get_ids(number), size).copy())
    return np.concatenate(found)
