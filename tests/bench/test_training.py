"""The training loop: reproducible, resumable, and independent between seeds."""

import pytest
import torch

from bench.zoo import text
from bench.zoo.architectures import ARCHITECTURES
from bench.zoo.train import Recipe, generator, train


def weights(name, seed, steps=3, state=None, every=1, stop=None):
    architecture = ARCHITECTURES[name]
    model = architecture.build(generator(name, seed, "init"))
    drawn = 0

    def batch(order):
        nonlocal drawn
        drawn += 1
        if drawn == stop:
            raise KeyboardInterrupt
        return architecture.batch(order)

    losses = train(
        model, batch, Recipe(steps=steps, rate=1e-3), generator(name, seed, "order"), state=state, every=every
    )
    return model.state_dict(), losses


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_same_seed_gives_same_weights(name):
    first, losses = weights(name, 3)
    again, losses_again = weights(name, 3)
    assert losses == losses_again
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_seeds_share_no_initial_matrix_and_no_batch(name):
    architecture = ARCHITECTURES[name]
    one = architecture.build(generator("tiny", name, 0, "init")).state_dict()
    other = architecture.build(generator("tiny", name, 1, "init")).state_dict()
    for key in one:
        if one[key].ndim > 1:
            cosine = torch.nn.functional.cosine_similarity(one[key].flatten(), other[key].flatten(), dim=0)
            assert abs(cosine) < 6 / one[key].numel() ** 0.5, key
    drawn = [architecture.batch(generator("tiny", name, seed, "order")) for seed in (0, 1)]
    tensors = [batch if isinstance(batch, torch.Tensor) else batch[0] for batch in drawn]
    assert not torch.equal(*tensors)


def test_training_lowers_the_loss():
    _, losses = weights("mlp", 0, steps=120)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_an_interrupted_run_ends_at_the_same_weights(tmp_path):
    whole, losses = weights("llama", 5, steps=6)
    state = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        weights("llama", 5, steps=6, state=state, every=2, stop=6)
    assert state.exists()
    resumed, resumed_losses = weights("llama", 5, steps=6, state=state, every=2)
    assert resumed_losses == losses
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert not state.exists()


def test_the_rate_warms_up_and_falls():
    recipe = Recipe(steps=100, rate=1.0, warmup=10)
    rates = [recipe.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_the_two_texts_are_large_and_disjoint():
    assert len(text.pretraining()) > 1_000_000
    assert len(text.fine_tuning()) > 1_000_000
    assert not set(text.sources()) & set(text.sources(*text.FINE_TUNING))
    assert int(text.pretraining().min()) >= 0
    assert int(text.pretraining().max()) < 256
