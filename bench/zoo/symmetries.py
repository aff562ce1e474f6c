"""Transformations of a checkpoint that keep its function exactly.

Each takes a model and a random state and returns another model. Those that a model has no place for, such as experts in
a dense one, leave it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Generator, Tensor

from bench.zoo.layouts.space import Attention, Space
from bench.zoo.matrices import factors, invertible, mean_keeping, orthogonal, permutation, rotary, signs
from bench.zoo.model import Model, change, multiply

INSERTED = 2
"""Identity layers that `insert_layers` adds."""
NEW = -1
"""Stands in a layer map for a layer that the parent does not have."""

Symmetry = Callable[[Model, Generator], Model]


def permute_neurons(model: Model, random: Generator) -> Model:
    """Permute the neurons of every MLP."""
    return _permuted(model, model.layout.hidden, random)


def permute_channels(model: Model, random: Generator) -> Model:
    """Permute the channels of a convolutional model, those joined by skips alike."""
    return _permuted(model, model.layout.channels, random)


def scale_neurons(model: Model, random: Generator) -> Model:
    """Multiply each row of up by a factor of either sign, and divide the column of down by it."""
    for space in model.layout.linear:
        scale = factors(space.size, random) * signs(space.size, random)
        model = change(model, scale.diag(), space.written, space.read)
    return model


def permute_heads(model: Model, random: Generator) -> Model:
    """Permute the groups of heads that share keys and values, and the query heads within each."""
    for attention in model.layout.attention:
        share = attention.heads // attention.groups
        groups = torch.randperm(attention.groups, generator=random)
        heads = torch.cat([group * share + torch.randperm(share, generator=random) for group in groups])
        within = torch.eye(attention.size, dtype=torch.float64)
        model = change(model, torch.kron(permutation(heads), within), attention.query, attention.output)
        model = multiply(model, torch.kron(permutation(groups), within), attention.key + attention.value)
    return model


def mix_queries(model: Model, random: Generator) -> Model:
    """Change the basis in which each group's queries meet its keys, as far as rotary positions allow."""
    for attention in model.layout.attention:
        draw = rotary if attention.rotary else invertible
        blocks = [draw(attention.size, random) for _ in range(attention.groups)]
        model = multiply(model, _by_head(blocks, attention), attention.query)
        model = multiply(model, torch.linalg.inv(torch.block_diag(*blocks)).T, attention.key)
    return model


def mix_values(model: Model, random: Generator) -> Model:
    """Change the basis of each group's values."""
    for attention in model.layout.attention:
        blocks = [invertible(attention.size, random) for _ in range(attention.groups)]
        model = multiply(model, torch.block_diag(*blocks), attention.value)
        model = change(model, _by_head(blocks, attention), (), attention.output)
    return model


def permute_residual(model: Model, random: Generator) -> Model:
    """Permute the dimensions of the residual stream."""
    space = model.residual
    order = torch.randperm(space.size, generator=random)
    return change(model, permutation(order), space.written + space.gains, space.read)


def flip_residual(model: Model, random: Generator) -> Model:
    """Turn the signs of random dimensions of a residual stream under RMSNorm."""
    space = model.residual
    return change(model, signs(space.size, random).diag(), space.written, space.read)


def rotate_residual(model: Model, random: Generator) -> Model:
    """Rotate the residual stream, the gains of its norms folded (arXiv 2404.00456, section 3).

    Under LayerNorm, what writes to the stream is centred first and the rotation keeps the mean.
    """
    if not model.layout.norms:
        raise ValueError(f"the norms of a {model.config['model_type']} model cannot be folded, so it cannot be rotated")
    model = fold(model)
    centred = any(norm.bias for norm in model.layout.norms)
    if centred:
        model = centre(model)
    space = model.residual
    matrix = (mean_keeping if centred else orthogonal)(space.size, random)
    return change(model, matrix, space.written, space.read)


def scale_residual(model: Model, random: Generator) -> Model:
    """Scale a residual stream under RMSNorm by a factor between one and a half and three, and its epsilon along."""
    space = model.residual
    factor = 1.5 * 2 ** torch.rand((), generator=random, dtype=torch.float64).item()
    scaled = multiply(model, factor * torch.eye(space.size, dtype=torch.float64), space.written)
    return scaled.configured(rms_norm_eps=model.config["rms_norm_eps"] * factor**2)


def permute_vocabulary(model: Model, random: Generator) -> Model:
    """Permute the token ids."""
    order = torch.randperm(model.config["vocab_size"], generator=random)
    ids = order.argsort()
    special = {
        key: int(ids[model.config[key]])
        for key in ("bos_token_id", "eos_token_id", "pad_token_id")
        if model.config.get(key) is not None
    }
    permuted = multiply(model, permutation(order), model.layout.vocabulary).configured(**special)
    return replace(permuted, ids=ids if model.ids is None else ids[model.ids])


def shift_head(model: Model, random: Generator) -> Model:
    """Add one vector to all rows of the head: all logits of a position grow by one number, no probability changes."""
    model = untie(model)
    head = model.tensors[model.layout.head]
    vector = head.std() * torch.randn(head.shape[1], generator=random, dtype=torch.float64)
    return model.updated({model.layout.head: head + vector.to(head)})


def insert_layers(model: Model, random: Generator) -> Model:
    """Insert layers that add nothing: what they write to the residual stream is zero.

    Their other tensors hold the values of the layer before in random order.
    """
    prefix = model.layout.layer
    depth = model.config["num_hidden_layers"]
    after = set(torch.randperm(depth, generator=random)[:INSERTED].tolist())
    layers = [layer for old in range(depth) for layer in ((old, NEW) if old in after else (old,))]
    number = re.compile(re.escape(prefix).replace(r"\{\}", r"(\d+)"))

    def moved(name: str) -> str:
        found = number.match(name)
        return prefix.format(layers.index(int(found[1]))) + name[found.end() :] if found else name

    deeper = model.renamed(moved).configured(num_hidden_layers=len(layers))
    writers = {part.name for part in model.residual.written}
    added: dict[str, Tensor] = {}
    for index, layer in enumerate(layers):
        if layer == NEW:
            before, own = prefix.format(layers[index - 1]), prefix.format(index)
            for name in sorted(name for name in model.tensors if name.startswith(before)):
                value = model.tensors[name]
                mixed = value.flatten()[torch.randperm(value.numel(), generator=random)].view_as(value)
                added[own + name.removeprefix(before)] = torch.zeros_like(value) if name in writers else mixed
    origins = model.layer_map or tuple(range(depth))
    return replace(deeper.updated(added), layer_map=tuple(NEW if old == NEW else origins[old] for old in layers))


def permute_experts(model: Model, random: Generator) -> Model:
    """Permute the experts of every layer with the rows of its router."""
    for experts in model.layout.experts:
        order = torch.randperm(len(experts.prefixes), generator=random)
        places = {experts.prefixes[old]: experts.prefixes[new] for new, old in enumerate(order.tolist())}
        model = multiply(model, permutation(order), (experts.router,))
        model = model.renamed(lambda name, places=places: _moved(name, places))
    return model


def untie(model: Model) -> Model:
    """Give the head a matrix of its own."""
    head = model.layout.head
    if head in model.tensors or not head:
        return model
    return model.updated({head: model.tensors[model.layout.embedding].clone()}).configured(tie_word_embeddings=False)


def fold(model: Model) -> Model:
    """Fold the gains of the norms, and their biases where the next layer has one, into what reads them.

    W(g n + b) is Wg n + Wb. Where the reader has no bias to take Wb, the norm keeps b / g instead of b. A head that is
    tied gets a matrix of its own, for the embedding keeps its scale.
    """
    model = untie(model)
    for norm in model.layout.norms:
        gain = model.tensors[norm.gain]
        changed = {norm.gain: torch.ones_like(gain)}
        if norm.bias is not None:
            bias = model.tensors[norm.bias]
            changed[norm.bias] = torch.zeros_like(bias) if norm.biases else bias / gain
            for part, name in zip(norm.read, norm.biases, strict=False):
                added = torch.tensordot(model.tensors[part.name], bias, dims=([part.axis], [0]))
                changed[name] = model.tensors[name] + added
        model = multiply(model, gain.diag(), norm.read).updated(changed)
    return model


def centre(model: Model) -> Model:
    """Take away the mean over the residual stream of all that is written to it; LayerNorm does not see the mean."""
    space = model.residual
    after = {norm.bias for norm in model.layout.norms}
    identity = torch.eye(space.size, dtype=torch.float64)
    return multiply(model, identity - 1 / space.size, tuple(part for part in space.written if part.name not in after))


def _permuted(model: Model, spaces: tuple[Space, ...], random: Generator) -> Model:
    for space in spaces:
        order = torch.randperm(space.size, generator=random)
        model = change(model, permutation(order), space.written, space.read)
    return model


def _by_head(blocks: list[Tensor], attention: Attention) -> Tensor:
    """The blocks of the groups, each repeated for the query heads that share it, on the diagonal of one matrix."""
    share = attention.heads // attention.groups
    return torch.block_diag(*(block for block in blocks for _ in range(share)))


def _moved(name: str, places: Mapping[str, str]) -> str:
    found = next((prefix for prefix in places if name.startswith(prefix)), None)
    return name if found is None else places[found] + name.removeprefix(found)
