"""Reading two checkpoints from end to end: counterparts side by side, in blocks, by several threads."""

from fingerprints.streaming.full_pass import FullPass, PassSettings, full_pass
from fingerprints.streaming.pair_statistics import PairStatistics

__all__ = ["FullPass", "PairStatistics", "PassSettings", "full_pass"]
