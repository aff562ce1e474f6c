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
    beyond_chance_z : float
        With a z beyond this nothing is called independent.
    reuse_coverage : float
        Coverage below which only a component is shared.
    fine_tune_effect : float
        Effect from which a full-rank change is called a fine-tune.
    fewest_parameters : int
        Learned parameters under which nothing is tested.
    read_whole_below_bytes : int
        Below this size everything is read before `identical` is said.
    small_checkpoint_bytes, tiny_checkpoint_bytes : int
        Below the first, all layers are read; below the second, more units of each.
    different_architecture_share : float
        Share of the smaller side's parameters with a counterpart below which architectures are different.
    low_rank_energy, low_rank_share : float
        A change is of low rank when this share of the singular values holds this share of its energy.
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
    beyond_chance_z: float
    reuse_coverage: float
    fine_tune_effect: float
    fewest_parameters: int
    read_whole_below_bytes: int
    small_checkpoint_bytes: int
    tiny_checkpoint_bytes: int
    different_architecture_share: float
    low_rank_energy: float
    low_rank_share: float
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
