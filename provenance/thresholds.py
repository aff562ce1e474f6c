"""The numbers that verdicts depend on, from one data file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """See `data/thresholds.json`.

    Attributes
    ----------
    alpha : float
        Corrected p below which dependence is found.
    derived_effect : float
        Effect from which dependence means derivation.
    derived_effect_with_support : float
        The same, when equal tensors, agreeing gains or biases, or a structural map support it.
    equal_share : float
        Share of the parameters in equal learned tensors that counts as support.
    gain_agreement, bias_agreement : float
        Median rank correlation that counts as support.
    detectable_effect, detectable_share : float
        Independence needs this sensitivity, on this share of the smaller side's learned parameters.
    extrapolation_share : float
        Share of a role's sampled layers that must be dependent for the others to follow.
    scaled_cosine : float
        Cosine of two matrices, as one vector each, from which a larger difference of size is a factor.
    shifted_share : float
        Share of the change of a table of tokens that is one vector added to all rows, from which that is all.
    agreement, channel_agreement, some_agreement : float
        Share of matched neurons, and of channels, which are fewer, that must be matched alike by what they read and by
        what they pass on, in half of the layers, for a relation without an exact test; and from which nothing is called
        independent.
    table_agreement : float
        Median cosine of two embeddings in the best common basis, outside of its fit, from which nothing is called
        independent; strangers of one tokenizer reach .93.
    beyond_chance_z : float
        With a z beyond this nothing is called independent.
    reuse_coverage : float
        Coverage below which only a component is shared.
    open_share, explained_effect : float
        Share of the smaller side's parameters in matrices that were looked at and are not explained, above which maps
        are looked for though a relation is found; and the share of the pair's effect under which a dependent matrix is
        not explained.
    seen_drift : float
        Relative change that searches see through where tokens, neurons and basis are all out of order, as `python -m
        bench drift` measures it. Reports quote it; no verdict depends on it.
    fine_tune_effect : float
        Effect from which a full-rank change is called a fine-tune.
    fewest_parameters : int
        Learned parameters under which nothing is tested.
    search_seconds, search_bytes, search_share : float, int, float
        A search is made by default within so many seconds, and within the larger of so many bytes and that share of the
        bytes of both sides.
    read_whole_below_bytes : int
        Below this size everything is read before `identical` is said.
    small_checkpoint_bytes, tiny_checkpoint_bytes : int
        Below the first, all layers are read; below the second, more units of each.
    different_architecture_share : float
        Share of the smaller side's parameters with a counterpart below which architectures are different.
    nearest_level : float
        Share of quantised values that must be the level next to the other side's for rounding to be all there is.
    pruned_share : float
        Difference of the shares of zeros from which a matrix counts as pruned.
    above_rounding : float
        Energy of a change over that of rounding, from which there is something to explain.
    white_edge, white_growth, white_kurtosis : float
        Largest singular value over that of noise of the same energy, difference from a right angle to the weights, and
        of the kurtosis from a Gaussian's, up to which a change counts as noise.
    one_rank_share : float
        Share of the matrices of low rank that must be of one rank, for an adapter.
    operation_share : float
        Share of the changed matrices that an operation must explain to be named.
    common_direction : float
        Cosine of the directions of changes of rank one from which they are one direction.
    alike_spread : float
        Median distance, as a share of their scatter, between the sorted gains of two fingerprints, below which one may
        be a disguised copy of the other.
    moved_units : int
        Units that both halves of their features match alike in two fingerprints, from which one may be a disguised
        relative of the other.
    sure_median : float
        How often the rank correlations of gains in fingerprints may say more than that of all gains does.
    trained_share : float
        Share of the changed matrices whose change is of many directions, from which training is named.
    new_row, kept_row : float
        A row of an embedding is new where its cosine is below the first share of what kept rows have, and kept where it
        is above the second.
    rows_between : float
        Rows are new only where fewer, as a share of them, lie between.
    new_rows_share : float
        The share of all rows that new ones must be.
    kept_body : float
        The share of the other parameters that must be the parent's.
    merge_rounding : float
        A residual of up to so many times (in energy) what rounding leaves is rounding: tools round on the way as well.
    merge_unexplained : float
        Share of the squared distance to the nearest parent that a merge may leave beyond rounding.
    merge_step : float
        A combination must leave less than this share of that distance, or it is no step away from the parent.
    merge_no_weight, merge_little_weight : float
        Weights that are none; the second when their interval holds 0.
    merge_explained_values : float
        Share of the values that can tell which must be sums of the parents' changes where elements are dropped.
    merge_fitting_share : float
        Share of the model's parameters for which a parent needs a counterpart of the same shape.
    """

    alpha: float
    derived_effect: float
    derived_effect_with_support: float
    equal_share: float
    gain_agreement: float
    bias_agreement: float
    detectable_effect: float
    detectable_share: float
    extrapolation_share: float
    scaled_cosine: float
    shifted_share: float
    agreement: float
    channel_agreement: float
    some_agreement: float
    table_agreement: float
    beyond_chance_z: float
    reuse_coverage: float
    open_share: float
    explained_effect: float
    seen_drift: float
    fine_tune_effect: float
    fewest_parameters: int
    search_seconds: float
    search_bytes: int
    search_share: float
    read_whole_below_bytes: int
    small_checkpoint_bytes: int
    tiny_checkpoint_bytes: int
    different_architecture_share: float
    nearest_level: float
    pruned_share: float
    above_rounding: float
    white_edge: float
    white_growth: float
    white_kurtosis: float
    one_rank_share: float
    operation_share: float
    common_direction: float
    alike_spread: float
    moved_units: int
    sure_median: float
    trained_share: float
    new_row: float
    kept_row: float
    rows_between: float
    new_rows_share: float
    kept_body: float
    merge_rounding: float
    merge_unexplained: float
    merge_step: float
    merge_no_weight: float
    merge_little_weight: float
    merge_explained_values: float
    merge_fitting_share: float


@cache
def thresholds() -> Thresholds:
    """The shipped thresholds."""
    values = json.loads(resources.files("provenance").joinpath("data/thresholds.json").read_text("utf-8"))
    del values["comment"]
    return Thresholds(**values)
