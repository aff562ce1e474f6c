"""Cisco Model Provenance Kit 1.0 (github.com/cisco-ai-defense/model-provenance-kit): do two models share provenance?

Models whose `config.json` describe one architecture are a "Confirmed Match" by that alone; for others the score is a
weighted mean of five similarities of weights. Above 0.75 it is a match, up to 0.65 none; the weak match in between
lies below the threshold that its authors calibrated, and counts as an abstention. It stops where a checkpoint has no
tokenizer, so those of the zoo that are without one get the tokenizer that they were trained with.
"""

from __future__ import annotations

import json

from bench.peers.peer import Answer, Peer, Said
from bench.zoo.cache import DATA

SAID: dict[str, Said] = {
    "Confirmed Match": "related",
    "High-Confidence Match": "related",
    "Weak Match": "abstained",
    "Not Matched": "unrelated",
    "Insufficient data": "abstained",
}
WITHOUT_WEIGHTS = " (metadata only)"
"""Follows a decision for which no weights could be read."""


def command(a: str, b: str) -> tuple[str, ...]:
    """Nothing that was extracted is kept for the next pair."""
    return ("provenancekit", "compare", a, b, "--json", "--no-cache")


def read(output: str) -> Answer:
    """Read the JSON of `provenancekit compare`."""
    scores = json.loads(output)["scores"]
    decision = str(scores["provenance_decision"])
    said = SAID[decision.removesuffix(WITHOUT_WEIGHTS)]
    detail = f"{decision}, tier {scores['mfi_tier']}, identity {scores['identity_score']}"
    return Answer(said=said, score=float(scores["pipeline_score"]), detail=detail)


CISCO = Peer(
    name="cisco",
    version="1.0.0",
    requirement="cisco-ai-provenance-kit==1.0.0",
    dependencies=("torch==2.15.0", "transformers==5.23.0", "tokenizers==0.23.3", "numpy==2.5.5"),
    needed=(DATA / "tokenizer.json",),
    python=(3, 12),
    command=command,
    read=read,
)
