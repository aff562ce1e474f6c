"""What Keras calls the variables that its files number.

Keras 3 stores `layers/conv2d_1/vars/0`: a layer in a list goes by its class and its place among those of that class,
a layer that is an attribute by the attribute's name, and variables by their place. The class tells what these are
called (`fingerprints/data/keras.json`); where it is not known, their shapes do.
https://github.com/keras-team/keras/blob/master/keras/src/saving/saving_lib.py (`_save_state`)
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Final

from fingerprints.readers.message_pack import MAX_TEXT

VARIABLES: Final = "vars"
"""The group in which a layer's own variables are numbered."""
_COUNTED: Final = re.compile(r"(?P<base>.+?)(_[0-9]{1,9})?")
Shape = tuple[int, ...]


def layer_names(stored: Mapping[str, str | None]) -> dict[str, str]:
    """Return what the layers of a list are called.

    Parameters
    ----------
    stored : mapping
        Group of each layer, and the layer's own name where the file tells it. Names that Keras made up
        (`dense_17` in the group `dense_2`) count the layers of a session, not of the model: the group's is kept.
    """
    given = {
        key: name.replace("/", ".")
        for key, name in stored.items()
        if name and len(name) <= MAX_TEXT and _base(name) != _base(key)
    }
    times = Counter([*given.values(), *(key for key in stored if key not in given)])
    return {key: given[key] if key in given and times[given[key]] == 1 else key for key in stored}


def variable_names(classes: Sequence[str], shapes: Sequence[Shape]) -> list[str]:
    """Return the names of a layer's variables; `vars.N` for those that nothing tells.

    Parameters
    ----------
    classes : sequence of str
        What the layer's class may be, in snake case, numbers and all: the first that is known is taken.
    shapes : sequence of tuple of int
        Of the variables, in order.
    """
    known = (_table().get(_base(name)) for name in classes)
    by_class = next((lists for lists in known if lists is not None), ())
    names: Sequence[str] | None = next((names for names in by_class if len(names) == len(shapes)), None)
    if names is None or not _borne_out(names, shapes):
        names = _by_shape(shapes)
    return [name or f"{VARIABLES}.{place}" for place, name in enumerate(names)]


def _base(name: str) -> str:
    found = _COUNTED.fullmatch(name)
    return found["base"] if found else name


@cache
def _table() -> dict[str, tuple[tuple[str, ...], ...]]:
    read = json.loads(resources.files("fingerprints").joinpath("data/keras.json").read_text("utf-8"))
    return {name: tuple(tuple(names) for names in lists) for name, lists in read["variables"].items()}


def _borne_out(names: Sequence[str], shapes: Sequence[Shape]) -> bool:
    """Whether kernels and tables have two axes or more."""
    matrices = ("kernel", "embeddings")
    return all(len(shape) > 1 for name, shape in zip(names, shapes, strict=True) if name.endswith(matrices))


def _by_shape(shapes: Sequence[Shape]) -> Sequence[str]:
    """Names that only one kind of layer's variables could have; empty ones otherwise."""
    nothing = [""] * len(shapes)
    if any(not shape for shape in shapes):
        return nothing
    vectors = all(len(shape) == 1 and shape == shapes[0] for shape in shapes)
    if vectors:
        return {2: ("gamma", "beta"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}.get(len(shapes), nothing)
    first = shapes[0]
    if len(shapes) == 2 and len(first) > len(shapes[1]) and first[-len(shapes[1]) :] == shapes[1]:
        return "kernel", "bias"
    if len(shapes) == 3 and len(first) == len(shapes[1]) == 2:
        gates, units = first[1], shapes[1][0]
        if shapes[1][1] == gates and units and gates % units == 0 and shapes[2][-1] == gates:
            return "kernel", "recurrent_kernel", "bias"
    return nothing
