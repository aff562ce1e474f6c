"""GPTQ and AWQ, after their papers: 4-bit rounding of a llama's linear layers that knows what they read.

All linear layers of the blocks are quantised; embedding, head and norms are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bench.zoo.derivatives.rounding import GROUP, Affine, affine, grid, linear, nearest

DAMPING = 0.01
"""Added to the Hessian's diagonal, in units of its mean (arXiv 2210.17323, section 3.3)."""
RATIOS = 20
"""Exponents of the activations' magnitude that AWQ tries, 0 and up in equal steps below 1."""


def gptq(weight: Tensor, inputs: Tensor) -> Affine:
    """GPTQ of a matrix (arXiv 2210.17323, algorithm 1): column by column, the rest makes up for the error.

    `weight` is (outputs, inputs) and `inputs` (samples, inputs); a group's grid is that of its columns as they are when
    its first is reached.
    """
    samples = inputs.double()
    hessian = 2 * samples.T @ samples / len(samples)
    hessian.diagonal().add_(DAMPING * hessian.diagonal().mean())
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
    rest = weight.double().clone()
    codes, scales, zeros = torch.empty_like(rest), [], []
    for column in range(rest.shape[1]):
        if column % GROUP == 0:
            scale, zero = grid(rest[:, column : column + GROUP])
            scales.append(scale)
            zeros.append(zero)
        codes[:, column] = nearest(rest[:, column], scale, zero)
        error = (rest[:, column] - scale * (codes[:, column] - zero)) / factor[column, column]
        rest[:, column + 1 :] -= error[:, None] * factor[column, column + 1 :]
    return Affine(codes=codes.float(), scale=torch.stack(scales, 1).float(), zero=torch.stack(zeros, 1).float())


def awq_scale(weights: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """Per-channel scale of the inputs that `weights` share, (inputs,), by AWQ's search (arXiv 2306.00978, equation 5).

    The mean magnitude of each input to the power that leaves the least error in the outputs.
    """
    gram = inputs.T @ inputs
    magnitude = inputs.abs().mean(dim=0).clamp_min(1e-4)

    def error(scale: Tensor) -> float:
        differences = [affine(weight * scale).values() / scale - weight for weight in weights]
        return sum(float(((difference @ gram) * difference).sum()) for difference in differences)

    powers = [magnitude ** (step / RATIOS) for step in range(RATIOS)]
    return min((power / (power.max() * power.min()).sqrt() for power in powers), key=error)


def inputs_of(model: nn.Module, modules: Iterable[nn.Module], tokens: Tensor) -> dict[nn.Module, Tensor]:
    """What each module reads while `model` reads `tokens`, (samples, inputs)."""
    found: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        found[module] = arguments[0].flatten(0, -2)

    hooks = [module.register_forward_pre_hook(keep) for module in modules]
    with torch.no_grad():
        model(tokens)
    for hook in hooks:
        hook.remove()
    return found


def layers(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """Linear layers of the blocks by name, in the order in which they work."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and linear(name, module.weight)
    }


def by_gptq(model: PreTrainedModel, tokens: Tensor) -> dict[str, Affine]:
    """Quantise the layers in place, each calibrated behind those that are already quantised."""
    result = {}
    for name, layer in layers(model).items():
        result[name] = gptq(layer.weight.data, inputs_of(model, [layer], tokens)[layer])
        layer.weight.data = result[name].values()
    return result


def by_awq(model: PreTrainedModel, tokens: Tensor) -> dict[str, Affine]:
    """Scale the layers' inputs, fold the inverse into what makes them where that is exact, and round to nearest.

    The output projection reads value heads that several query heads share, so its inputs keep their scale, as AutoAWQ
    leaves them. Ranges are not clipped.
    """
    folds: list[tuple[nn.Module, list[nn.Linear]]] = []
    for block in model.model.layers:
        attention, mlp = block.self_attn, block.mlp
        folds.append((block.input_layernorm, [attention.q_proj, attention.k_proj, attention.v_proj]))
        folds.append((block.post_attention_layernorm, [mlp.gate_proj, mlp.up_proj]))
        folds.append((mlp.up_proj, [mlp.down_proj]))
    seen = inputs_of(model, [readers[0] for _, readers in folds], tokens)
    for source, readers in folds:
        scale = awq_scale([reader.weight.data for reader in readers], seen[readers[0]])
        made = source.weight.data
        source.weight.data = made / scale.reshape(-1, *(1,) * (made.ndim - 1))
        for reader in readers:
            reader.weight.data = reader.weight.data * scale
    result = {name: affine(layer.weight.data) for name, layer in layers(model).items()}
    for name, layer in layers(model).items():
        layer.weight.data = result[name].values()
    return result
