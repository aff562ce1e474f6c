"""The decoders with gated MLPs and RMSNorm: Llama, Qwen2, and Mixtral with its experts."""

from __future__ import annotations

from bench.zoo.layouts.space import Attention, Config, Experts, Layout, Names, Norm, Part, Space, outputs, present

LAYER, EMBEDDING, HEAD = "model.layers.{}.", "model.embed_tokens.weight", "lm_head.weight"


def gated(config: Config, names: Names) -> Layout:
    """The layout of a Llama, Qwen2 or Mixtral."""
    written = [Part(name=EMBEDDING, axis=1)]
    hidden, linear, attention, norms, experts = [], [], [], [], []
    for index in range(config["num_hidden_layers"]):
        layer = LAYER.format(index)
        attended = _attention(layer, config, names)
        routed = _experts(layer, config) if f"{layer}block_sparse_moe.gate.weight" in names else None
        mlps = _mlps(layer, routed)
        attention.append(attended)
        experts += [routed] if routed else []
        for gate, up, down in mlps:
            space = {"size": config["intermediate_size"], "read": (Part(name=down, axis=1),)}
            hidden.append(Space(written=(Part(name=gate), Part(name=up)), **space))
            linear.append(Space(written=(Part(name=up),), **space))
        written += [Part(name=attended.output[0].name), *(Part(name=down) for _, _, down in mlps)]
        first = [parts[0].name for parts in (attended.query, attended.key, attended.value)]
        second = [routed.router.name] if routed else []
        second += [name for gate, up, _ in mlps for name in (gate, up)]
        norms += [_norm(f"{layer}input_layernorm", *first), _norm(f"{layer}post_attention_layernorm", *second)]
    norms.append(_norm("model.norm", *(part.name for part in present(names, Part(name=HEAD)))))
    return Layout(
        residual=Space(
            size=config["hidden_size"],
            written=tuple(written),
            read=tuple(part for norm in norms for part in norm.read),
            gains=tuple(Part(name=norm.gain) for norm in norms),
        ),
        hidden=tuple(hidden),
        linear=tuple(linear),
        attention=tuple(attention),
        norms=tuple(norms),
        experts=tuple(experts),
        vocabulary=present(names, Part(name=EMBEDDING), Part(name=HEAD)),
        embedding=EMBEDDING,
        head=HEAD,
        layer=LAYER,
    )


def _attention(layer: str, config: Config, names: Names) -> Attention:
    heads = config["num_attention_heads"]
    query, key, value = (outputs(f"{layer}self_attn.{kind}_proj", names) for kind in "qkv")
    return Attention(
        query=query,
        key=key,
        value=value,
        output=(Part(name=f"{layer}self_attn.o_proj.weight", axis=1),),
        heads=heads,
        groups=config["num_key_value_heads"],
        size=config.get("head_dim") or config["hidden_size"] // heads,
        rotary=True,
    )


def _experts(layer: str, config: Config) -> Experts:
    moe = f"{layer}block_sparse_moe."
    prefixes = tuple(f"{moe}experts.{expert}." for expert in range(config["num_local_experts"]))
    return Experts(router=Part(name=f"{moe}gate.weight"), prefixes=prefixes)


def _mlps(layer: str, experts: Experts | None) -> list[tuple[str, ...]]:
    """Names of gate, up and down: of the one MLP of a layer, or of each of its experts."""
    if experts is None:
        return [tuple(f"{layer}mlp.{kind}_proj.weight" for kind in ("gate", "up", "down"))]
    return [tuple(f"{prefix}{kind}.weight" for kind in ("w1", "w3", "w2")) for prefix in experts.prefixes]


def _norm(name: str, *readers: str) -> Norm:
    return Norm(gain=f"{name}.weight", read=tuple(Part(name=reader, axis=1) for reader in readers))
