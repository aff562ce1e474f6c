"""GPT-2."""

from __future__ import annotations

from bench.zoo.layouts.space import Attention, Config, Layout, Names, Norm, Part, Parts, Space, present

LAYER, EMBEDDING, HEAD = "transformer.h.{}.", "transformer.wte.weight", "lm_head.weight"


def gpt2(config: Config, names: Names) -> Layout:
    """GPT-2, whose matrices are [in, out] and whose query, key and value are one."""
    written = [Part(name=name, axis=1) for name in (EMBEDDING, "transformer.wpe.weight")]
    hidden, attention, norms = [], [], []
    for index in range(config["n_layer"]):
        layer = LAYER.format(index)
        fused, out, up, down = (f"{layer}{kind}" for kind in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"))
        attention.append(_attention(fused, out, config))
        hidden.append(
            Space(
                size=config["n_inner"] or 4 * config["n_embd"],
                written=(Part(name=f"{up}.weight", axis=1), Part(name=f"{up}.bias")),
                read=(Part(name=f"{down}.weight"),),
            )
        )
        for writer in (out, down):
            written += [Part(name=f"{writer}.weight", axis=1), Part(name=f"{writer}.bias")]
        for norm, reader in (("ln_1", fused), ("ln_2", up)):
            read = (Part(name=f"{reader}.weight"),)
            norms.append(_norm(f"{layer}{norm}", read, biases=(f"{reader}.bias",)))
    norms.append(_norm("transformer.ln_f", present(names, Part(name=HEAD, axis=1))))
    return Layout(
        residual=Space(
            size=config["n_embd"],
            written=(*written, *(Part(name=norm.bias) for norm in norms if norm.bias)),
            read=tuple(part for norm in norms for part in norm.read),
            gains=tuple(Part(name=norm.gain) for norm in norms),
        ),
        hidden=tuple(hidden),
        attention=tuple(attention),
        norms=tuple(norms),
        vocabulary=present(names, Part(name=EMBEDDING), Part(name=HEAD)),
        embedding=EMBEDDING,
        head=HEAD,
        layer=LAYER,
    )


def _attention(fused: str, output: str, config: Config) -> Attention:
    width, heads = config["n_embd"], config["n_head"]
    query, key, value = (
        (Part(name=f"{fused}.weight", axis=1, start=start), Part(name=f"{fused}.bias", start=start))
        for start in (0, width, 2 * width)
    )
    return Attention(
        query=query,
        key=key,
        value=value,
        output=(Part(name=f"{output}.weight"),),
        heads=heads,
        groups=heads,
        size=width // heads,
        rotary=False,
    )


def _norm(name: str, read: Parts, biases: tuple[str, ...] = ()) -> Norm:
    return Norm(gain=f"{name}.weight", bias=f"{name}.bias", read=read, biases=biases)
