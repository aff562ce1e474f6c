"""`python -m bench.zoo.demo`: trains the checkpoints under `examples/`.

`base` is trained from scratch, `tuned` is `base` trained on with another text and saved under other norm names,
`stranger` is the recipe of `base` from another seed, and `narrow` the recipe at another size, under the names of
`tuned`. Arguments are names; without one all are made, in that order.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from bench.zoo import cache, text
from bench.zoo.llama import Llama, LlamaConfig
from bench.zoo.train import Recipe, ends, generator, train

FOLDER = cache.REPOSITORY / "examples"
CONFIG = LlamaConfig()
NARROW = LlamaConfig(layers=3, hidden=96, intermediate=256)
SEEDS = {"base": 0, "tuned": 2, "stranger": 1, "narrow": 3}
PRETRAINING = Recipe(steps=3000, rate=2e-3, warmup=100)
FINE_TUNING = Recipe(steps=300, rate=1e-3, warmup=20)
BATCH, LENGTH = 8, 64

RENAMES = {".input_layernorm.": ".ln1.", ".post_attention_layernorm.": ".ln2."}
"""Names that `tuned` and `narrow` use for the two norms of a layer."""


def make(name: str) -> dict[str, object]:
    """Train one of the checkpoints, write its folder and return the record of the run."""
    seed = SEEDS[name]
    tuned = name == "tuned"
    config = NARROW if name == "narrow" else CONFIG
    model = Llama(config, generator("demo", seed, "init"))
    if tuned:
        weights = load_file(FOLDER / "base" / "model.safetensors")
        model.load_state_dict({key: value.float() for key, value in weights.items()})
    tokens = text.fine_tuning() if tuned else text.pretraining()
    recipe = FINE_TUNING if tuned else PRETRAINING
    losses = train(
        model,
        lambda order: text.windows(tokens, BATCH, LENGTH + 1, order),
        recipe,
        generator("demo", seed, "order"),
        state=cache.root() / "zoo" / "demo" / f"{name}.pt",
    )
    first, last = ends(losses, 100)
    sha256 = write(FOLDER / name, model, config, renames=RENAMES if name in ("tuned", "narrow") else {})
    return {
        "name": name,
        "seed": seed,
        "steps": recipe.steps,
        "rate": recipe.rate,
        "first_loss": round(first, 3),
        "last_loss": round(last, 3),
        "sha256": sha256,
        "text_sha256": text.digest(tokens),
    }


def write(folder: Path, model: Llama, config: LlamaConfig, renames: dict[str, str]) -> str:
    """Write `model.safetensors` in bfloat16 and `config.json`; returns the sha256 of the weights' file."""
    folder.mkdir(parents=True, exist_ok=True)
    spelled = {renamed(key, renames): value.bfloat16().contiguous() for key, value in model.state_dict().items()}
    weights = folder / "model.safetensors"
    save_file(spelled, weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    (folder / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n")
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def renamed(key: str, renames: dict[str, str]) -> str:
    """`key` with every old part replaced by its new one."""
    for old, new in renames.items():
        key = re.sub(re.escape(old), new, key)
    return key


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    for name in names or list(SEEDS):
        print(json.dumps(make(name), indent=2), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
