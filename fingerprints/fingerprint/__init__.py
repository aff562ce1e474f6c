"""Fingerprints: what is kept of a checkpoint so that others can be tested against it without its weights."""

from fingerprints.fingerprint.file import FORMAT, VERSION, decode, encode, is_fingerprint
from fingerprints.fingerprint.fingerprint import AxisPrint, Fingerprint, Seen, VectorPrint
from fingerprints.fingerprint.grade import Grade
from fingerprints.fingerprint.measuring import measure_fingerprints
from fingerprints.fingerprint.opened import FingerprintCheckpoint, open_model
from fingerprints.fingerprint.taking import take_fingerprint

__all__ = [
    "FORMAT",
    "VERSION",
    "AxisPrint",
    "Fingerprint",
    "FingerprintCheckpoint",
    "Grade",
    "Seen",
    "VectorPrint",
    "decode",
    "encode",
    "is_fingerprint",
    "measure_fingerprints",
    "open_model",
    "take_fingerprint",
]
