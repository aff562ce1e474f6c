"""Low-rank adapters trained by `peft`: merged into the base, kept beside it in one file, and alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

from bench.zoo import bases, folder
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.finetuning import Tuned, save, tune
from bench.zoo.families import FAMILIES, Family
from bench.zoo.train import Recipe

RECIPE = Recipe(steps=150, rate=2e-3, warmup=20)

ATTENTION = {
    "llama": ("q_proj", "v_proj"),
    "qwen": ("q_proj", "v_proj"),
    "mixtral": ("q_proj", "v_proj"),
    "bert": ("query", "value"),
    "gpt2": ("c_attn",),
}
LINEAR = {
    "llama": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "qwen": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "gpt2": ("c_attn", "c_proj", "c_fc"),
}
TARGETS: Mapping[str, Mapping[str, Sequence[str]]] = {"attention": ATTENTION, "linear": LINEAR}
FORMS = {
    "merged": "LoRA, merged",
    "beside": "LoRA, beside its base in one file",
    "alone": "LoRA, the adapter alone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA of seed 0 of a family: its rank, what it changes (a key of `TARGETS`), and its form (of `FORMS`)."""

    family: Family
    rank: int
    where: str
    form: str = "merged"

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the layers that get an adapter."""
        return tuple(TARGETS[self.where][self.family.name])

    def make(self, parents: Sequence[Path], target: Path) -> Truth:
        """Train the adapter and write it in its form."""
        model = bases.load(parents[0], self.family)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        settings = LoraConfig(
            r=self.rank,
            lora_alpha=2 * self.rank,
            target_modules=list(self.targets),
            fan_in_fan_out=self.family.name == "gpt2",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rank)
            adapted = get_peft_model(model, settings)
        details = tune(Tuned(adapted, self.family), self.family, RECIPE, f"{self.family.name}-{self.where}-{self.rank}")
        self._save(adapted, parents[0], target)
        return Truth(
            kinds=({"kind": "adapter_merge", "rank": self.rank, "targets": list(self.targets)},), details=details
        )

    def _save(self, adapted: PeftModel, base: Path, target: Path) -> None:
        if self.form == "merged":
            save(adapted.merge_and_unload(), self.family, target)
        elif self.form == "alone":
            adapted.save_pretrained(target)
            (target / "README.md").unlink(missing_ok=True)
        else:
            weights = {name: value.to(self.family.dtype) for name, value in adapted.state_dict().items()}
            save_file(weights, target / folder.WEIGHTS, metadata={"format": "pt"})
            folder.copied(base, target)

    def derivation(self) -> Derivation:
        """The entry of the zoo."""
        suffix = "" if self.form == "merged" else f"-{self.form}"
        return Derivation(
            name=f"{self.family.name}-lora-{self.where}-r{self.rank}{suffix}",
            transform=FORMS[self.form],
            tool="peft",
            parents=(f"{self.family.name}-0",),
            make=self.make,
            covered=self.form != "alone",
        )


def adapters(family: str, *plans: tuple[int, str], **form: Any) -> list[Derivation]:
    """One derivation each (rank, where)."""
    return [Adapter(family=FAMILIES[family], rank=rank, where=where, **form).derivation() for rank, where in plans]


DERIVATIONS = (
    *adapters("llama", (4, "attention"), (16, "attention"), (4, "linear"), (16, "linear")),
    *adapters("llama", (4, "attention"), (16, "linear"), form="beside"),
    *adapters("llama", (4, "attention"), (16, "linear"), form="alone"),
    *adapters("qwen", (16, "linear")),
    *adapters("gpt2", (16, "linear")),
    *adapters("bert", (4, "attention")),
    *adapters("mixtral", (16, "attention")),
)
