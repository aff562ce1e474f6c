"""Layout `fused_kv`: key and value in one matrix beside a query of its own, seen as two.

Only where the other side has two. Keys come first in all layouts that are published under the names below: JetMoE's
`kv_proj`, the `kv` of PVT and SegFormer, the `to_kv` of Perceiver's kin. As many rows are keys as the other side has,
or half of them. Multi-head latent attention (`kv_a_proj_with_mqa`, `kv_b_proj`) is no such matrix.
https://github.com/huggingface/transformers/blob/main/src/transformers/models/jetmoe/modeling_jetmoe.py
https://github.com/NVlabs/SegFormer/blob/master/mmseg/models/backbones/mix_transformer.py
"""

from __future__ import annotations

from typing import Final

from fingerprints.anatomy import Part, PartKind, Tower
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying, after_layer, stem
from fingerprints.layouts.row_map import block
from fingerprints.layouts.views import PartOfRows, seen_as

KEY_FIRST: Final = {"kv_proj", "kv", "to_kv"}
_KINDS: Final = {PartKind.MATRIX: "weight", PartKind.BIAS: "bias"}
_DEFAULT: Final = ("self_attn.k_proj.", "self_attn.v_proj.")


class FusedKv:
    """See the module."""

    name = "fused_kv"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """Two views a fused matrix."""
        collected = Collected(side)
        for path, tower in side.anatomy.towers.items():
            split = _split_side(other, tower) if other else None
            if other is not None and split is None:
                continue
            endings = [stem(after_layer(part)) for part in split] if split else _DEFAULT
            keys, values = (part.shape[0] for part in split) if split else (0, 0)
            for kind, leaf in _KINDS.items():
                for layer, part in side.in_tower(path, "attn_kv", kind).items():
                    if part.module.rpartition(".")[2] not in KEY_FIRST or part.transposed or part.shape[0] % 2:
                        continue
                    rows = part.shape[0]
                    key = keys if keys + values == rows else rows // 2
                    at = f"{path}.{layer}." if path else f"{layer}."
                    views = []
                    for ending, run in zip(endings, (block(0, key), block(key, rows - key)), strict=True):
                        shown = seen_as(part.info, f"{at}{ending}{leaf}", (run.count, *part.shape[1:]), run.label)
                        views.append(PartOfRows(info=shown, source=part.name, rows=run))
                    collected.add(Fit(replaced=(part.name,), views=tuple(views)))
        return collected.relaying()


def _split_side(other: LayoutSide, tower: Tower) -> tuple[Part, Part] | None:
    """The other side's first two matrices; None where it has not both of them with outputs first."""
    counterpart = other.counterpart(tower)
    if counterpart is None:
        return None
    keys, values = (other.in_tower(counterpart.path, role) for role in ("attn_k", "attn_v"))
    if not (keys and values) or any(part.transposed for parts in (keys, values) for part in parts.values()):
        return None
    return keys[min(keys)], values[min(values)]
