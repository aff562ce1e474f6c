"""modelDNA 0.1 (arXiv 2607.10617): is a suspect derived from a candidate?

It compares tensors that it knows by name, of models of equal depth and width. A logistic of four similarities (depth
profiles of standard deviations, norms and biases, sampled weights, spectra) gives a probability: from 0.9 on it names
a kind of derivation, from 0.5 it abstains. Here it runs as its command does by default. Where it rules the candidate
out before any similarity is taken, it gives no probability; that is an abstention too, as its authors count it.
"""

from __future__ import annotations

import json

from bench.peers.peer import Answer, Peer, Said

SAID: dict[str, Said] = {
    "EXACT_COPY": "related",
    "QUANTIZED_COPY": "related",
    "FINE_TUNE": "related",
    "SAME_LINEAGE": "related",
    "LIKELY_MERGE": "related",
    "SAME_FAMILY_UNRESOLVED": "abstained",
    "NO_MATCH": "unrelated",
    "INSUFFICIENT": "abstained",
}


def command(a: str, b: str) -> tuple[str, ...]:
    """The suspect comes first."""
    return ("modeldna", "compare", b, a, "--json")


def read(output: str) -> Answer:
    """Read the JSON of `modeldna compare`."""
    verdict = json.loads(output)["verdict"]
    word, probability = verdict["verdict"], verdict["probability"]
    said = SAID[word]
    if probability is not None:
        return Answer(said=said, score=float(probability), detail=word)
    reasons = [str(candidate["ruled_out"]) for candidate in verdict["candidates"] if candidate["ruled_out"]]
    return Answer(said="abstained", detail=": ".join([word, *reasons]))


MODELDNA = Peer(
    name="modeldna",
    version="0.1.0",
    requirement="modeldna==0.1.0",
    dependencies=("numpy==2.4.6", "gguf==0.19.0"),
    python=(3, 10),
    command=command,
    read=read,
)
