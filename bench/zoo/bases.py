"""`python -m bench.zoo.bases`: trains the bases of the zoo, in `bench/data/bases/`, and writes their manifest.

Three seeds of every family are trained from scratch and independently. Four more stand for causes of likeness that are
not copying: `llama-0-other` and `bert-0-other` start from the initialisation of seed 0 and read another text,
`llama-distilled` has an initialisation of its own and learns to reproduce the hidden states of `llama-1`, index by
index, and the two `decoder`s have nothing in common but that both read the hidden states of `llama-2`, which is frozen
and in neither file. A base that the manifest lists with its present recipe is kept; an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache as once
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from bench.zoo import cache, text, tokenizer
from bench.zoo.cache import DATA, sha256
from bench.zoo.families import FAMILIES, Family
from bench.zoo.train import ends, generator, train

FOLDER = DATA / "bases"
MANIFEST = FOLDER / "manifest.json"
AVERAGED = 50
"""Steps whose mean loss is recorded at either end."""
DECODER_LAYERS = 2
READ_LAYER = 3
"""The decoders read what this layer of the frozen encoder passes on."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """One base: its family, the seed of its initialisation, and what else went into it."""

    name: str
    family: str
    seed: int
    text: str = "pretraining"
    teacher: str | None = None
    encoder: str | None = None

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return FOLDER / self.name


SEEDS = (0, 1, 2)
BASES = {
    base.name: base
    for base in (
        *(Base(name=f"{family}-{seed}", family=family, seed=seed) for family in FAMILIES for seed in SEEDS),
        Base(name="llama-0-other", family="llama", seed=0, text="fine_tuning"),
        Base(name="bert-0-other", family="bert", seed=0, text="fine_tuning"),
        Base(name="llama-distilled", family="llama", seed=3, teacher="llama-1"),
        Base(name="decoder-0", family="llama", seed=4, encoder="llama-2"),
        Base(name="decoder-1", family="llama", seed=5, encoder="llama-2"),
    )
}


class Trained(nn.Module):
    """A family's model with the loss that its base is trained by."""

    def __init__(self, family: Family, model: PreTrainedModel, other: PreTrainedModel | None = None) -> None:
        super().__init__()
        self.model = model
        self.family = family
        self.others = [] if other is None else [other.eval().requires_grad_(False)]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The family's own loss."""
        return self.family.evaluate(self.model, batch)


class Student(Trained):
    """Learns its text and its teacher's hidden states, position by position."""

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Own loss and the mean squared error of all hidden states, in units of the teacher's mean square."""
        with torch.no_grad():
            wanted = self.others[0](**batch, output_hidden_states=True).hidden_states
        answer = self.model(**batch, output_hidden_states=True)
        errors = [
            F.mse_loss(mine, theirs) / theirs.square().mean()
            for mine, theirs in zip(answer.hidden_states, wanted, strict=True)
        ]
        return answer.loss + torch.stack(errors).mean()


class Decoder(Trained):
    """Continues the text from a frozen encoder's hidden states."""

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Own loss, with hidden states in the place of embeddings."""
        with torch.no_grad():
            states = self.others[0](input_ids=batch["input_ids"], output_hidden_states=True).hidden_states[READ_LAYER]
        return self.family.evaluate(self.model, {"inputs_embeds": states, "labels": batch["labels"]})


def load(folder: Path, family: Family) -> PreTrainedModel:
    """A checkpoint as a float32 model."""
    return family.model.from_pretrained(folder, dtype=torch.float32)


def make(name: str) -> Record:
    """Train one base, write its folder and return its record."""
    base = BASES[name]
    family = FAMILIES[base.family]
    torch.set_num_threads(1)
    other = base.teacher or base.encoder
    helper = load(BASES[other].folder, FAMILIES[BASES[other].family]) if other else None
    if base.encoder:
        trained: Trained = Decoder(family, _decoder(family, base.seed), helper)
    elif base.teacher:
        trained = Student(family, family.build(base.seed), helper)
    else:
        trained = Trained(family, family.build(base.seed))
    tokens = _tokens(family, base.text)
    losses = train(
        trained,
        lambda order: family.batch(tokens, order),
        family.recipe,
        generator("base", name, "order"),
        state=cache.root() / "zoo" / "bases" / f"{name}.pt",
    )
    write(base, trained.model, family)
    first, last = ends(losses, AVERAGED)
    return {
        **recipe(base),
        "first_loss": round(first, 3),
        "last_loss": round(last, 3),
        "text_sha256": text.digest(tokens) if family.text else None,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sha256": sha256(base.folder / "model.safetensors"),
    }


def write(base: Base, model: PreTrainedModel, family: Family) -> None:
    """Write a base as the library does, in the family's precision."""
    model.to(family.dtype)
    model.save_pretrained(base.folder)
    for unused in ("generation_config.json",):
        (base.folder / unused).unlink(missing_ok=True)
    if base.encoder:
        weights = load_file(base.folder / "model.safetensors")
        del weights["model.embed_tokens.weight"]
        save_file(weights, base.folder / "model.safetensors", metadata={"format": "pt"})
    for file in base.folder.iterdir():
        file.chmod(0o644)


def recipe(base: Base) -> Record:
    """What decides a base's weights; a base of another recipe is trained anew."""
    family = FAMILIES[base.family]
    return {
        **asdict(base),
        "model": family.model.__name__,
        "config": family.config().to_diff_dict(),
        "recipe": asdict(family.recipe),
        "dtype": str(family.dtype).removeprefix("torch."),
    }


def manifest() -> dict[str, Record]:
    """Records of the bases that are there, intact and of their present recipe."""
    if not MANIFEST.exists():
        return {}
    records = json.loads(MANIFEST.read_text())
    return {
        name: record
        for name, record in records.items()
        if name in BASES and _intact(BASES[name], record, json.loads(json.dumps(recipe(BASES[name]))))
    }


def build(names: Iterable[str] = tuple(BASES), workers: int = 2) -> dict[str, Record]:
    """Train the bases that are missing, teachers first, and return all records."""
    records = manifest()
    missing = [name for name in names if name not in records]
    for after in (False, True):
        wave = [name for name in missing if bool(BASES[name].teacher or BASES[name].encoder) is after]
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            jobs = {pool.submit(make, name): name for name in wave}
            for job in as_completed(jobs):
                records[jobs[job]] = record = job.result()
                _record(records)
                print(f"{jobs[job]:16} loss {record['first_loss']:.2f} -> {record['last_loss']:.2f}", flush=True)
    return records


def _intact(base: Base, record: Record, present: Record) -> bool:
    weights = base.folder / "model.safetensors"
    same = all(record.get(key) == value for key, value in present.items())
    return same and weights.exists() and sha256(weights) == record["sha256"]


def _record(records: dict[str, Record]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    ordered = {name: records[name] for name in BASES if name in records}
    with tempfile.NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
        file.write(json.dumps(ordered, indent=1) + "\n")
    Path(file.name).replace(MANIFEST)
    MANIFEST.chmod(0o644)


def _decoder(family: Family, seed: int) -> PreTrainedModel:
    config = family.config()
    config.num_hidden_layers = DECODER_LAYERS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return family.model(config)


@once
def _tokens(family: Family, name: str) -> Tensor:
    if not family.text:
        return torch.empty(0, dtype=torch.int64)
    return tokenizer.pretraining() if name == "pretraining" else tokenizer.fine_tuning()


def main() -> None:
    parser = argparse.ArgumentParser(description="train the bases of the zoo")
    parser.add_argument("names", nargs="*", default=list(BASES), help="bases; all by default")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    records = build(arguments.names, arguments.workers)
    size = sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file())
    print(f"{len(records)} bases, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
