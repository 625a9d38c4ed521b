"""The training set: its tables, the checks that they pass, and the class that reads them."""

from uninote.training.dataset.training_set import TrainingSet

__all__ = ["TrainingSet"]
