"""What a packing scheme has to offer: which tensors of a checkpoint are one weight, and how its rows are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fingerprints.checkpoint import Finding
from fingerprints.readers.row_tensor import RowTensor

Tensors = Mapping[str, RowTensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """One weight, and the names of the stored tensors that it is made of.

    `parts` leave the checkpoint and `weight` takes the place of the first; its `info.encoding` says how it was stored,
    its `info.nbytes` is the sum of its parts'. `inferred` says in words what neither the parts nor a claim tell and
    was taken as likely; empty if nothing was.
    """

    weight: RowTensor
    parts: tuple[str, ...]
    inferred: str = ""


class Scheme(Protocol):
    """One way of packing. A scheme keeps no state, and reads no more of a tensor's data than its rows need."""

    @property
    def name(self) -> str:
        """The field's name of it, such as `gptq`."""
        ...

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are packed in this way.

        The tensors decide: their names, types and shapes. `config` (config.json, a claim) may only settle what they
        leave open, such as the number of bits. A weight that cannot be unpacked is yielded as a tensor that raises
        `UnreadableTensor` with the reason.
        """
        ...


def unpack(schemes: Sequence[Scheme], tensors: Tensors, config: Mapping[str, Any]) -> tuple[Tensors, list[Finding]]:
    """Put the weights that the schemes find in the places of their parts.

    One finding a scheme says how many, and one more for everything that was taken as likely.
    """
    findings = []
    for scheme in schemes:
        found = list(scheme.unpack(tensors, config))
        if not found:
            continue
        place = {each.parts[0]: each.weight for each in found}
        gone = {name for each in found for name in each.parts}
        left: dict[str, RowTensor] = {}
        for name, tensor in tensors.items():
            if name in place:
                left[place[name].info.name] = place[name]
            elif name not in gone:
                left[name] = tensor
        tensors = left
        findings.append(
            Finding(
                code="packed",
                subject=found[0].weight.info.name if len(found) == 1 else f"{len(found)} tensors",
                message=f"stored as {scheme.name}, decoded as it is read",
            )
        )
        inferred = Counter(each.inferred for each in found if each.inferred)
        findings += [
            Finding(
                code="packing-inferred",
                subject=next(each.weight.info.name for each in found if each.inferred == what),
                message=f"{count} of {len(found)} {scheme.name} weights were taken to have {what}",
            )
            for what, count in sorted(inferred.items())
        ]
    return tensors, findings
