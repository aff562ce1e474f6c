"""Writes the files beside this script with the frameworks themselves; the tests need none of them.

pip install keras==3.15.1 flax==0.12.8 torch==2.13.0 h5py
KERAS_BACKEND=torch python tests/fingerprints/readers/golden/frameworks.py
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import flax.linen as nn
import jax
import jax.numpy as jnp
import keras
import numpy as np
from flax.serialization import to_bytes
from keras import layers

HERE = Path(__file__).parent


def keras_model() -> keras.Model:
    """Every kind of layer that holds weights, one in a model inside the model."""
    keras.utils.set_random_seed(0)
    pixels, words = keras.Input((8, 8, 3)), keras.Input((5,))
    inner = keras.Sequential(
        [layers.Input((6, 6, 8)), layers.DepthwiseConv2D(3, depth_multiplier=2), layers.BatchNormalization()],
        name="block",
    )
    x = inner(layers.Conv2D(8, 3, name="stem")(pixels))
    x = layers.GlobalAveragePooling2D()(layers.SeparableConv2D(10, 3)(x))
    y = layers.Embedding(20, 8)(words)
    y = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 3)(y, y))
    y = layers.Bidirectional(layers.GRU(4, return_sequences=True))(layers.LSTM(6, return_sequences=True)(y))
    y = layers.Flatten()(layers.Conv1D(9, 3)(y))
    model = keras.Model([pixels, words], layers.Dense(7, name="head")(layers.Concatenate()([x, y])))
    generator = np.random.default_rng(0)
    model.set_weights([np.round(generator.standard_normal(w.shape) * 16) / 16 for w in model.weights])
    return model


class FlaxModel(nn.Module):
    """Convolutions, attention and a table under the names that Flax makes up."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Run it once, which makes the parameters."""
        x = nn.BatchNorm(use_running_average=True)(nn.Conv(8, (3, 3))(x)).reshape(1, -1, 8)
        x = nn.LayerNorm()(nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=6)(x, x))
        x = nn.Conv(5, (3,))(x) + nn.Embed(10, 5)(jnp.zeros((), int))
        return nn.Dense(7)(x)


if __name__ == "__main__":
    model = keras_model()
    for ending in ("keras", "h5"):
        path = HERE / f"model.{ending}"
        model.save(path)
        (HERE / f"model.{ending}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        path.unlink()
    variables = FlaxModel().init(jax.random.PRNGKey(0), jnp.ones((1, 4, 4, 3)))
    (HERE / "model.msgpack").write_bytes(to_bytes(variables))
