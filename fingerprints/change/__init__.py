"""What was done to a tensor: of how many directions its change is made, which grid or mask its values are on."""

from fingerprints.change.tensor_change import TensorChange, describe_change

__all__ = ["TensorChange", "describe_change"]
