"""ResNet."""

from __future__ import annotations

from bench.zoo.layouts.space import Config, Layout, Names, Part, Space


def resnet(config: Config, names: Names) -> Layout:
    """ResNet of basic blocks: the channels that skips join, from one projecting shortcut to the next, are one space."""
    written, read, size = _convolution("resnet.embedder.embedder"), [], config["embedding_size"]
    spaces = []
    for stage, width in enumerate(config["hidden_sizes"]):
        for index in range(config["depths"][stage]):
            layer = f"resnet.encoder.stages.{stage}.layers.{index}."
            first, second, shortcut = f"{layer}layer.0", f"{layer}layer.1", f"{layer}shortcut"
            read.append(Part(name=f"{first}.convolution.weight", axis=1))
            inner = (Part(name=f"{second}.convolution.weight", axis=1),)
            spaces.append(Space(size=width, written=tuple(_convolution(first)), read=inner))
            if f"{shortcut}.convolution.weight" in names:
                read.append(Part(name=f"{shortcut}.convolution.weight", axis=1))
                spaces.append(Space(size=size, written=tuple(written), read=tuple(read)))
                written, read, size = _convolution(shortcut), [], width
            written += _convolution(second)
    read.append(Part(name="classifier.1.weight", axis=1))
    spaces.append(Space(size=size, written=tuple(written), read=tuple(read)))
    return Layout(channels=tuple(spaces))


def _convolution(name: str) -> list[Part]:
    """The outputs of a convolution and what its batch normalisation has for each."""
    normalised = ("weight", "bias", "running_mean", "running_var")
    return [
        Part(name=f"{name}.convolution.weight"),
        *(Part(name=f"{name}.normalization.{kind}") for kind in normalised),
    ]
