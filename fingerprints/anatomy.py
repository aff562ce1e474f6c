"""The parts of a checkpoint: every tensor with its role, its layer, and what its axes index.

Built from names and shapes alone; no value is read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from fingerprints.checkpoint import Checkpoint, TensorInfo
from fingerprints.roles import RoleMatch, match_role, role_table
from fingerprints.templates import Index, natural_key, spelt_out, templates

_WEIGHT_LEAVES = {"weight", "kernel", "w"}
_TABLE_LEAVES = {"embedding", "embeddings"}
"""What Flax and Keras call the weight of an embedding."""
_STATISTICS = {"num_batches_tracked", "moving_mean", "moving_variance"}
_GAIN_LEAVES = {"gamma", "scale", "g"}
_BIAS_LEAVES = {"bias", "beta", "b"}


class PartKind(StrEnum):
    """What a tensor is to its module."""

    MATRIX = "matrix"
    GAIN = "gain"
    BIAS = "bias"
    STATISTIC = "statistic"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One tensor in its place.

    `module` is the name without its leaf; `role` a canonical role or None; `tower` the path of the layer stack that
    it belongs to ("" outside of one); `axes` the meaning of each axis, outputs first in the sense of the role
    (`residual`, `neuron`, `head`, `vocabulary`, …), or empty where the role is unknown; `transposed` when the stored
    order of the two axes is input first.
    """

    info: TensorInfo
    template: str
    index: Index
    module: str
    kind: PartKind
    role: str | None = None
    tower: str = ""
    layer: int | None = None
    expert: int | None = None
    axes: tuple[str, ...] = ()
    transposed: bool = False

    @property
    def name(self) -> str:
        """The tensor's name in the container."""
        return self.info.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.info.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """A stack of transformer layers: its path, the sizes of its axes, and which layers it has.

    `input_first` tells that matrices are stored as GPT-2's Conv1D modules store them: inputs along axis 0; `fused`
    that the MLP's first matrix is gate and up in one.
    """

    path: str
    residual: int
    neurons: int | None
    layers: tuple[int, ...]
    input_first: bool
    fused: bool = False


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """All parts of one checkpoint by name, in natural order of their names, and its towers by path."""

    parts: Mapping[str, Part]
    towers: Mapping[str, Tower]

    @cached_property
    def by_template(self) -> Mapping[str, tuple[Part, ...]]:
        """Parts that differ only in their numbers, ordered by index."""
        grouped: dict[str, list[Part]] = defaultdict(list)
        for part in self.parts.values():
            grouped[part.template].append(part)
        return {template: tuple(sorted(parts, key=lambda p: p.index)) for template, parts in sorted(grouped.items())}

    @property
    def layers(self) -> int:
        """Number of layers in the deepest tower, or of the deepest numbered template."""
        deepest = max((len(tower.layers) for tower in self.towers.values()), default=0)
        if deepest:
            return deepest
        stacks = [parts for parts in self.by_template.values() if parts[0].index and parts[0].kind is PartKind.MATRIX]
        return max((len({part.index[:1] for part in parts}) for parts in stacks), default=0)

    @cached_property
    def dimensions(self) -> Mapping[str, int]:
        """Named sizes: those of the largest tower, its vocabulary, and the number of layers."""
        named: dict[str, int] = {}
        if self.towers:
            tower = max(self.towers.values(), key=lambda t: (t.residual * len(t.layers), t.path))
            named["residual"] = tower.residual
            if tower.neurons:
                named["mlp"] = tower.neurons
            heads = Counter(
                (p.role, p.shape[1] if p.transposed else p.shape[0])
                for p in self.parts.values()
                if p.tower == tower.path and p.role in ("attn_q", "attn_k") and p.kind is PartKind.MATRIX
            )
            for (role, length), _ in sorted(heads.items(), key=lambda item: item[1]):
                named["queries" if role == "attn_q" else "keys"] = length
        rows = [p.shape[0] for p in self.parts.values() if p.role == "token_embd" and len(p.shape) == 2]
        if rows:
            named["vocabulary"] = max(rows)
        if self.layers:
            named["layers"] = self.layers
        return named


def split_leaf(name: str, rank: int) -> tuple[str, PartKind]:
    """Module path and kind of a tensor name.

    Parameters
    ----------
    name : str
        Full name, such as `bert.encoder.layer.0.output.LayerNorm.gamma`.
    rank : int
        Number of axes.
    """
    name = name.replace(".parametrizations.weight.original1", ".weight_v")
    name = name.replace(".parametrizations.weight.original0", ".weight_g")
    module, _, leaf = name.rpartition(".")
    lower = leaf.lower()
    for suffix, kind in (("_weight", PartKind.MATRIX), ("_kernel", PartKind.MATRIX), ("_bias", PartKind.BIAS)):
        if lower.endswith(suffix):
            stem = leaf[: -len(suffix)]
            return f"{module}.{stem}" if module else stem, PartKind.GAIN if rank == 1 and kind != "bias" else kind
    if lower.startswith("running_") or lower in _STATISTICS or name.startswith("batch_stats."):
        return module, PartKind.STATISTIC
    if lower in _BIAS_LEAVES or lower.startswith("bias_"):
        return module, PartKind.BIAS
    if lower in _WEIGHT_LEAVES or lower.startswith("weight_"):
        return module, PartKind.GAIN if rank <= 1 else PartKind.MATRIX
    if lower in _TABLE_LEAVES and rank == 2:
        return module, PartKind.MATRIX
    if lower in _GAIN_LEAVES and rank <= 1:
        return module, PartKind.GAIN
    return name, PartKind.OTHER


def under(name: str, prefix: str) -> bool:
    """Whether a name lies under a path of components: `a.b.c` lies under `a.b`, `a.bc` does not."""
    path = prefix.rstrip(".")
    return not path or name == path or name.startswith(path + ".")


def build_anatomy(checkpoint: Checkpoint, *, prefix: str = "") -> Anatomy:
    """Find out what every tensor of a checkpoint is, from names and shapes.

    Parameters
    ----------
    checkpoint : Checkpoint
        Only its headers are used.
    prefix : str
        Take only tensors whose names lie under this path.
    """
    names = sorted(
        (name for name in checkpoint.tensors if under(name, prefix)), key=lambda name: (natural_key(name), name)
    )
    infos = {name: checkpoint.tensors[name] for name in names}
    shown = templates(infos)
    parts: dict[str, Part] = {}
    matches: dict[str, RoleMatch] = {}
    for name, info in infos.items():
        module, kind = split_leaf(name, len(info.shape))
        template, index = shown[name]
        parts[name] = Part(info=info, template=template, index=index, module=module, kind=kind)
        spelt = spelt_out(template, index)
        if match := match_role(module if spelt == name else split_leaf(spelt, len(info.shape))[0]):
            matches[name] = match
    towers = _towers(parts, matches)
    return Anatomy(
        parts={name: _placed(part, matches.get(name), towers) for name, part in parts.items()},
        towers=towers,
    )


def _towers(parts: Mapping[str, Part], matches: Mapping[str, RoleMatch]) -> dict[str, Tower]:
    """Layer stacks that really are transformer layers: an MLP or attention role, and one residual size throughout."""
    members: dict[str, list[str]] = defaultdict(list)
    for name, match in matches.items():
        if match.layer is not None:
            members[match.tower].append(name)
    axes = role_table().axes
    towers: dict[str, Tower] = {}
    for path, names in sorted(members.items()):
        roles = {matches[name].role for name in names}
        if not roles & {"attn_q", "attn_qkv", "attn_out"} and not {"ffn_up", "ffn_down"} <= roles:
            continue
        votes: Counter[int] = Counter()
        lengths: Counter[int] = Counter()
        for name in names:
            part, meaning = parts[name], axes[matches[name].role]
            if meaning == ("residual",) and len(part.shape) == 1:
                votes[part.shape[0]] += 1
            elif "residual" in meaning and len(part.shape) == 2:
                lengths.update(set(part.shape))
        if not lengths:
            continue
        residual = max(lengths, key=lambda n: (votes[n], lengths[n], -n))
        widths: dict[str, Counter[int]] = defaultdict(Counter)
        for name in names:
            if matches[name].role in ("ffn_up", "ffn_down", "ffn_gate") and len(parts[name].shape) == 2:
                widths[matches[name].role][next((n for n in parts[name].shape if n != residual), residual)] += 1
        neurons = sum(widths.values(), Counter[int]())
        fused = widths.keys() == {"ffn_up", "ffn_down"} and _commonest(widths["ffn_up"]) == 2 * _commonest(
            widths["ffn_down"]
        )
        towers[path] = Tower(
            path=path,
            residual=residual,
            neurons=_commonest(widths["ffn_down"] if fused else neurons) if neurons else None,
            layers=tuple(sorted({matches[name].layer or 0 for name in names})),
            input_first=any(
                matches[name].role in ("attn_qkv", "ffn_up")
                and len(parts[name].shape) == 2
                and parts[name].shape[0] == residual != parts[name].shape[1]
                for name in names
            ),
            fused=fused,
        )
    return towers


def _commonest(lengths: Counter[int]) -> int:
    return max(lengths, key=lambda n: (lengths[n], n))


def _home(match: RoleMatch, part: Part, meaning: tuple[str, ...], towers: Mapping[str, Tower]) -> Tower | None:
    """The tower whose residual stream a part outside of the layers is on, if only one fits."""
    if "residual" not in meaning or not part.shape:
        return None
    fitting = [tower for tower in towers.values() if tower.residual == part.shape[-1]]
    if len(fitting) > 1:
        root = part.name.split(".")[0]
        fitting = [tower for tower in fitting if tower.path.split(".")[0] == root] or fitting
    return fitting[0] if len(fitting) == 1 else None


def _placed(part: Part, match: RoleMatch | None, towers: Mapping[str, Tower]) -> Part:
    """The part with role, tower and axes, where the shapes bear the role out."""
    if match is None:
        return part
    meaning = role_table().axes[match.role]
    tower = towers.get(match.tower) if match.layer is not None else _home(match, part, meaning, towers)
    if tower is None:
        return part
    role = "ffn_gate_up" if match.role == "ffn_up" and tower.fused else match.role
    known = replace(part, role=role, tower=tower.path, layer=match.layer, expert=match.expert)
    shape = part.shape
    if part.kind in (PartKind.BIAS, PartKind.GAIN) and len(shape) == 1:
        axes = meaning[:1]
        return replace(known, axes=axes) if axes != ("residual",) or shape[0] == tower.residual else part
    if part.kind in (PartKind.BIAS, PartKind.GAIN):
        return part
    if len(shape) != 2 or len(meaning) != 2:
        return known if part.kind is not PartKind.MATRIX else part
    if "residual" not in meaning:
        return replace(known, axes=meaning)
    place = meaning.index("residual")
    if shape[place] == tower.residual and not (shape[0] == shape[1] and tower.input_first):
        return replace(known, axes=meaning)
    if shape[1 - place] == tower.residual:
        return replace(known, axes=meaning[::-1], transposed=True)
    return part
