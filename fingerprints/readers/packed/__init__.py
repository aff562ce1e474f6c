"""Weights that quantisation libraries pack into several tensors, one file a scheme; a new one is one more line here."""

from typing import Final

from fingerprints.readers.packed.awq import Awq
from fingerprints.readers.packed.bitsandbytes import BitsAndBytes
from fingerprints.readers.packed.compressed_tensors import CompressedTensors
from fingerprints.readers.packed.fp8 import Fp8
from fingerprints.readers.packed.gptq import Gptq
from fingerprints.readers.packed.hqq import Hqq
from fingerprints.readers.packed.mlx import Mlx
from fingerprints.readers.packed.mxfp4 import Mxfp4
from fingerprints.readers.packed.nvfp4 import Nvfp4
from fingerprints.readers.packed.scheme import Scheme, Unpacked, unpack
from fingerprints.readers.packed.torchao import TorchAo

SCHEMES: Final[tuple[Scheme, ...]] = (
    BitsAndBytes(),
    Fp8(),
    Mxfp4(),
    Nvfp4(),
    TorchAo(),
    Gptq(),
    Awq(),
    CompressedTensors(),
    Mlx(),
    Hqq(),
)
"""Every scheme, in the order in which they are asked."""

__all__ = ["SCHEMES", "Scheme", "Unpacked", "unpack"]
