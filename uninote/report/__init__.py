"""The HTML report of a run: plain values in, one self-contained page out."""
