"""Data sets: always a train, a validation and a test split; a search sees the validation split and never the test one.

A new source is a file here with a frozen dataclass that has `stamp` and `parts`, and a line in `source.py`.
"""

from nas.train.data.dataset import Dataset, Split
from nas.train.data.source import SOURCES, load_data

__all__ = ["SOURCES", "Dataset", "Split", "load_data"]
