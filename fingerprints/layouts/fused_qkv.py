"""Layout `fused_qkv`: query, key and value in one matrix, seen as three.

Only where the other side has three. Their sizes are the other side's where these add up, or follow from the inputs of
the attention's output. The rows are in one of three orders:

* three blocks: `qkv_proj`, `W_pack`, `Wqkv`, `c_attn`, `in_proj` and their kin;
* groups side by side, each some heads of q, one of k, one of v: GPT-NeoX and BLOOM (one head of q a group), Falcon,
  InternLM2, Megatron. Under their names (`query_key_value`, `wqkv`, …) ChatGLM stores blocks, and nothing tells the
  size of a head: a search over rows and columns of the half that tests do not see picks the order and the size under
  which the three are most like the other side's. Where that is not clear, the matrix stays as it is;
* slices of tensor parallelism, each a part of q, then of v, then of k: CodeGen has 4. Its `qkv_proj` is told from the
  blocks of others by the `fc_in` in the same layers, and how many slices there are is searched for in the same way.

https://github.com/huggingface/transformers/blob/main/src/transformers/models/gpt_neox/modeling_gpt_neox.py
https://github.com/huggingface/transformers/blob/main/src/transformers/models/falcon/modeling_falcon.py
https://huggingface.co/internlm/internlm2-7b/blob/main/modeling_internlm2.py
https://github.com/huggingface/transformers/blob/main/src/transformers/models/codegen/modeling_codegen.py
"""

from __future__ import annotations

from fingerprints.anatomy import Part, PartKind, Tower
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying, after_layer, stem
from fingerprints.layouts.order_search import Candidate, settled
from fingerprints.layouts.row_map import RowMap, block, side_by_side
from fingerprints.layouts.views import PartOfRows, seen_as

IN_BLOCKS = {"qkv_proj", "W_pack", "Wqkv", "c_attn", "qkv", "in_proj", "att_proj", "attn_qkv"}
ROLES = ("attn_q", "attn_k", "attn_v")
_KINDS = {PartKind.MATRIX: "weight", PartKind.BIAS: "bias"}
FEWEST_IN_HEAD = 8
MOST_IN_HEAD = 1024
SLICES = (2, 4, 8, 16)
SEARCHED_LAYERS = 3

Order = tuple[RowMap, RowMap, RowMap]


class FusedQkv:
    """See the module."""

    name = "fused_qkv"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """Three views a fused matrix."""
        collected = Collected(side)
        searched = False
        details: list[str] = []
        for path, tower in side.anatomy.towers.items():
            fused = {
                layer: part
                for layer, part in side.in_tower(path, "attn_qkv").items()
                if not part.transposed and part.info.size
            }
            split = _split_side(other, tower) if other else None
            if not fused or (other is not None and split is None):
                continue
            chosen, by_weights, detail = _order(side, other, path, fused, split)
            if chosen is None:
                continue
            searched = searched or by_weights
            details += [detail] if detail else []
            total = sum(rows.count for rows in chosen)
            endings = [stem(after_layer(parts[min(parts)])) for parts in split] if split else list(_DEFAULT)
            for kind, leaf in _KINDS.items():
                for layer, part in side.in_tower(path, "attn_qkv", kind).items():
                    if part.shape[0] == total and not part.transposed:
                        at = f"{path}.{layer}." if path else f"{layer}."
                        collected.add(_taken_apart(part, [f"{at}{ending}{leaf}" for ending in endings], chosen))
        return collected.relaying(searched=searched, detail="; ".join(dict.fromkeys(details)))


_DEFAULT = ("self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj.")


def _taken_apart(part: Part, names: list[str], order: Order) -> Fit:
    views = tuple(
        PartOfRows(
            info=seen_as(part.info, name, (rows.count, *part.shape[1:]), rows.label), source=part.name, rows=rows
        )
        for name, rows in zip(names, order, strict=True)
    )
    return Fit(replaced=(part.name,), views=views)


Split = tuple[dict[int, Part], dict[int, Part], dict[int, Part]]


def _split_side(other: LayoutSide, tower: Tower) -> Split | None:
    """The other side's three matrices by layer; None where it has not all of them with outputs first."""
    counterpart = other.counterpart(tower)
    if counterpart is None:
        return None
    q, k, v = (other.in_tower(counterpart.path, role) for role in ROLES)
    if not (q and k and v) or any(part.transposed for parts in (q, k, v) for part in parts.values()):
        return None
    return q, k, v


def _order(
    side: LayoutSide, other: LayoutSide | None, path: str, fused: dict[int, Part], split: Split | None
) -> tuple[Order | None, bool, str]:
    """Which rows are whose, whether weights told, and in words."""
    first = fused[min(fused)]
    sizes = _sizes(first, side.in_tower(path, "attn_out"), split)
    if sizes is None or any(part.shape != first.shape for part in fused.values()):
        return None, False, ""
    q, k, v = sizes
    blocks: Order = (block(0, q), block(q, k), block(q + k, v))
    sliced = first.module.endswith(".attn.qkv_proj") and _has_fc_in(side, path)
    known = first.module.rpartition(".")[2] in IN_BLOCKS and not sliced
    if known or other is None or split is None:
        return blocks, False, ""
    orders = {"blocks": blocks, **(_sliced(q, k, v) if sliced else _grouped(q, k, v))}
    common = sorted(layer for layer in fused if all(layer in parts for parts in split))
    layers = sorted({common[0], common[len(common) // 2], common[-1]}) if common else []
    candidates = [
        Candidate(
            name=name,
            facing=tuple(
                (fused[layer], rows, parts[layer])
                for layer in layers[:SEARCHED_LAYERS]
                for rows, parts in zip(order, split, strict=True)
            ),
        )
        for name, order in orders.items()
    ]
    best = settled(candidates, side, other)
    return (None, False, "") if best is None else (orders[best], True, best)


def _sizes(fused: Part, outputs: dict[int, Part], split: Split | None) -> tuple[int, int, int] | None:
    """Rows of q, k and v; None where nothing tells, or the other side and the attention's own output disagree."""
    output = outputs[min(outputs)] if outputs else None
    width = output.shape[0 if output.transposed else 1] if output else None
    if split:
        q, k, v = (parts[min(parts)].shape[0] for parts in split)
        if q + k + v == fused.shape[0]:
            return (q, k, v) if width in (None, q) else None
    if width is None:
        return None
    q, rest = width, fused.shape[0] - width
    return (q, rest // 2, rest // 2) if rest > 0 and rest % 2 == 0 and q % (rest // 2) == 0 else None


def _has_fc_in(side: LayoutSide, path: str) -> bool:
    return any(part.module.endswith(".mlp.fc_in") for part in side.in_tower(path, "ffn_up").values())


def _sliced(q: int, k: int, v: int) -> dict[str, Order]:
    """Orders of slices of q, v and k, for every number of slices that fits."""
    found: dict[str, Order] = {}
    for slices in SLICES:
        if q == k == v and q % slices == 0:
            part = q // slices
            one, two, three = side_by_side(3 * part, (part, part, part), slices)
            found[f"{slices} slices of q, v and k"] = one, three, two
    return found


def _grouped(q: int, k: int, v: int) -> dict[str, Order]:
    """Orders of groups side by side, for every size of a head that fits."""
    if k != v or not k or q % k:
        return {}
    found: dict[str, Order] = {}
    for head in range(FEWEST_IN_HEAD, min(k, MOST_IN_HEAD + 1)):
        if k % head == 0:
            one, two, three = side_by_side((q // k + 2) * head, (q // k * head, head, head), k // head)
            found[f"groups with heads of {head}"] = one, two, three
    return found
