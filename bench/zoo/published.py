"""Published encoders of BERT's make, as models that the zoo's symmetries apply to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.zoo import folder
from bench.zoo.layouts import layout
from bench.zoo.layouts.space import Layout, Part, Parts, Space
from bench.zoo.model import Model

PREFIX = "bert."
POOLER = f"{PREFIX}pooler.dense.weight"
SET_ASIDE = ("cls.", "classifier", "embeddings.position_ids")
"""Heads, and what nobody learned."""


class Encoder(Model):
    """A BERT without its heads: of the library's layout, what it has, and the pooler."""

    __slots__ = ()

    @property
    def layout(self) -> Layout:
        """Where its spaces are."""
        whole = layout(self.config, self.tensors)
        assert whole.residual is not None  # of every BERT
        pooler = (Part(name=POOLER, axis=1),)
        stream = Space(
            size=whole.residual.size,
            written=self._present(whole.residual.written),
            read=self._present((*whole.residual.read, *pooler)),
        )
        return replace(whole, residual=stream, vocabulary=self._present(whole.vocabulary))

    def _present(self, parts: Parts) -> Parts:
        return tuple(part for part in parts if part.name in self.tensors)


def encoder(place: Path) -> Encoder:
    """The encoder of a published folder, in float64, under the names that the library gives it inside a model."""
    tensors = {
        f"{PREFIX}{name.removeprefix(PREFIX)}": value.double()
        for name, value in sorted(folder.weights(place).items())
        if not name.removeprefix(PREFIX).startswith(SET_ASIDE)
    }
    config = {**folder.config(place), "model_type": "bert"}
    return Encoder(tensors=tensors, config=config, names={name: name for name in tensors})
