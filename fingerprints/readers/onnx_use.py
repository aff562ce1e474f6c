"""What is known of one tensor of an ONNX model from the nodes that use it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """Keys of the scale and zero point of a tensor; `axis` is the one that a vector of them belongs to (None: the last
    axes, as numpy broadcasts), `block` how many elements along it share one, 0 for one each.
    """

    scale: str
    zero: str | None = None
    axis: int | None = None
    block: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The weight of a MatMulNBits node: `rows` x `columns` of `bits` bits, `block` columns to a scale."""

    scales: str
    zeros: str | None
    rows: int
    columns: int
    bits: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrent:
    """One of the weights `W`, `R` or `B` of a node that holds `gates` blocks of rows per direction."""

    node: str
    operator: str
    part: str


@dataclass(slots=True, kw_only=True)
class Use:
    """What is known of one tensor; `columns_first` collects whether its uses take columns for units, `bias` is the key
    of the vector that is added to its product, `node` the name of the node that multiplies with it.
    """

    columns_first: set[bool] = field(default_factory=set)
    quantised: Quantisation | None = None
    packed: Packed | None = None
    recurrent: Recurrent | None = None
    bias: str | None = None
    node: str | None = None

    @property
    def is_transposed(self) -> bool:
        """Whether every use that tells says that the inputs are along axis 0."""
        return self.columns_first == {True}
