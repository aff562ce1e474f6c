"""Readers: from the files of a checkpoint, in any format, to tensors that can be read row by row.

A format is one file with one `Reader`, and one line in `READERS`. Nothing from a file is executed or imported.
"""

from fingerprints.readers.opening import open_checkpoint, weight_sets
from fingerprints.readers.reader import FileContents, Reader
from fingerprints.readers.recognition import READERS

__all__ = ["READERS", "FileContents", "Reader", "open_checkpoint", "weight_sets"]
