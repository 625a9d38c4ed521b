"""UniNote: embed notes on Spark, index the vectors, precompute every note's neighbours."""

from uninote.blas_kernels import choose_kernels

__version__ = "0.1.0"

# Here, since it must come before FAISS is loaded, and any module may be the first to load it.
choose_kernels()
