"""BERT."""

from __future__ import annotations

from bench.zoo.layouts.space import Attention, Config, Layout, Names, Part, Space, outputs

LAYER, EMBEDDINGS, HEAD = "bert.encoder.layer.{}.", "bert.embeddings.", "cls.predictions."


def bert(config: Config, names: Names) -> Layout:
    """BERT, normalised after each sum: no gain can be folded. Its tied head reads a stream in the embedding's order."""
    written = [
        Part(name=f"{EMBEDDINGS}{kind}_embeddings.weight", axis=1) for kind in ("word", "position", "token_type")
    ]
    for writer in (f"{EMBEDDINGS}LayerNorm", f"{HEAD}transform.dense", f"{HEAD}transform.LayerNorm"):
        written += outputs(writer, names)
    read = [Part(name=f"{HEAD}transform.dense.weight", axis=1)]
    hidden, attention = [], []
    for index in range(config["num_hidden_layers"]):
        layer = LAYER.format(index)
        query, key, value = (f"{layer}attention.self.{kind}" for kind in ("query", "key", "value"))
        out, up, down = (f"{layer}{kind}.dense" for kind in ("attention.output", "intermediate", "output"))
        attention.append(
            Attention(
                query=outputs(query, names),
                key=outputs(key, names),
                value=outputs(value, names),
                output=(Part(name=f"{out}.weight", axis=1),),
                heads=config["num_attention_heads"],
                groups=config["num_attention_heads"],
                size=config["hidden_size"] // config["num_attention_heads"],
                rotary=False,
            )
        )
        back = (Part(name=f"{down}.weight", axis=1),)
        hidden.append(Space(size=config["intermediate_size"], written=outputs(up, names), read=back))
        for writer in (out, down, f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"):
            written += outputs(writer, names)
        read += [Part(name=f"{reader}.weight", axis=1) for reader in (query, key, value, up)]
    embedding = f"{EMBEDDINGS}word_embeddings.weight"
    return Layout(
        residual=Space(size=config["hidden_size"], written=tuple(written), read=tuple(read)),
        hidden=tuple(hidden),
        attention=tuple(attention),
        vocabulary=(Part(name=embedding), Part(name=f"{HEAD}bias")),
        embedding=embedding,
        layer=LAYER,
    )
