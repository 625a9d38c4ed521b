"""The Spark plans: the only part of the library that knows a SparkSession and the UDFs."""

import os

# OpenMP's threads spin while they wait for each other. Where other processes want the cores, they spin for whole time slices:
# a training step of two threads on two busy cores took seven times the CPU-seconds (benchmarks/loaded.py). Passive ones sleep.
# OpenMP reads this when it is loaded, so it is set before anything here imports torch or faiss; workers get it by
# `config.spark_settings`.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
