"""Layout `fused_gate_up`: gate and up of an MLP in one matrix, seen as two.

Only where the other side has two. Gate comes first in all layouts that are published under the names below; under
other names the order is left open, and nothing is taken apart.
https://github.com/huggingface/transformers/blob/main/src/transformers/models/phi3/modeling_phi3.py
"""

from __future__ import annotations

from fingerprints.anatomy import PartKind
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying, after_layer, stem
from fingerprints.layouts.row_map import block
from fingerprints.layouts.views import PartOfRows, seen_as

GATE_FIRST = {"gate_up_proj", "dense_h_to_4h", "ffn_up", "ffn_gate_up", "gate_up", "input_linear"}
"""Phi-3 and GLM, ChatGLM, GGUF (whose converters keep the order of the former), Granite's shared experts, their kin."""
_KINDS = {PartKind.MATRIX: "weight", PartKind.BIAS: "bias"}


class FusedGateUp:
    """See the module."""

    name = "fused_gate_up"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """Two views a fused matrix."""
        collected = Collected(side)
        for path, tower in side.anatomy.towers.items():
            endings = ("mlp.gate_proj.", "mlp.up_proj.")
            if other is not None:
                counterpart = other.counterpart(tower)
                gates, ups = (
                    other.in_tower(counterpart.path, role) if counterpart else {} for role in ("ffn_gate", "ffn_up")
                )
                if not gates or not ups:
                    continue
                firsts = (gates[min(gates)], ups[min(ups)])
                endings = (stem(after_layer(firsts[0])), stem(after_layer(firsts[1])))
            for kind, leaf in _KINDS.items():
                for layer, part in side.in_tower(path, "ffn_gate_up", kind).items():
                    if part.module.rpartition(".")[2] not in GATE_FIRST or part.transposed or part.shape[0] % 2:
                        continue
                    half = part.shape[0] // 2
                    at = f"{path}.{layer}." if path else f"{layer}."
                    views = []
                    for start, ending in zip((0, half), endings, strict=True):
                        rows = block(start, half)
                        shown = seen_as(part.info, f"{at}{ending}{leaf}", (half, *part.shape[1:]), rows.label)
                        views.append(PartOfRows(info=shown, source=part.name, rows=rows))
                    collected.add(Fit(replaced=(part.name,), views=tuple(views)))
        return collected.relaying()
