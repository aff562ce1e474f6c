"""The signals, one file each; a new one is one more line here."""

from fingerprints.signals.neuron_index import NeuronIndex
from fingerprints.signals.neuron_profile import NeuronProfile
from fingerprints.signals.protocol import Signal, SignalContext
from fingerprints.signals.residual_index import ResidualIndex
from fingerprints.signals.tensor_digest import TensorDigest

SIGNALS: tuple[Signal, ...] = (
    TensorDigest(),
    ResidualIndex(),
    NeuronIndex(),
    NeuronProfile(),
)

__all__ = ["SIGNALS", "Signal", "SignalContext"]
