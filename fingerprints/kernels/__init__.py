"""Pure, batched numerics: arrays in, arrays out, no I/O and no opinion."""

from fingerprints.kernels.index_test import IndexStatistics, index_statistics, pooled
from fingerprints.kernels.probability import (
    bonferroni,
    log10_p_hits,
    log10_p_statistic,
    log10_two_sided,
    normal_quantile,
    stouffer,
)
from fingerprints.kernels.ranks import normal_ranks, spearman
from fingerprints.kernels.similarity import similarity, unit_rows

__all__ = [
    "IndexStatistics",
    "bonferroni",
    "index_statistics",
    "log10_p_hits",
    "log10_p_statistic",
    "log10_two_sided",
    "normal_quantile",
    "normal_ranks",
    "pooled",
    "similarity",
    "spearman",
    "stouffer",
    "unit_rows",
]
