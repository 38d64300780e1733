"""The game of two networks against straightforward NumPy, written from the paper's facts."""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from gif2video_jax.training.accumulation import accumulate
from gif2video_jax.training.adversarial import (
    Adversary,
    adversarial_loss,
    discriminator_accuracy,
    select,
)
from gif2video_jax.training.image_pool import draws, make_pool, query

LOGITS = np.random.default_rng(0).normal(0.3, 2, (3, 4, 5, 1)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(float)))


@pytest.mark.parametrize("real", [True, False])
def test_gan_is_cross_entropy_and_lsgan_a_squared_distance(real):
    probability = sigmoid(LOGITS) if real else 1 - sigmoid(LOGITS)
    found = adversarial_loss(jnp.array(LOGITS), real=real, kind="gan")
    np.testing.assert_allclose(found, -np.log(probability).mean(), rtol=1e-5)
    found = adversarial_loss(jnp.array(LOGITS), real=real, kind="lsgan")
    np.testing.assert_allclose(found, np.mean((LOGITS - (1 if real else 0)) ** 2), rtol=1e-5)


def test_large_logits_give_no_infinity():
    values = jnp.array([-1e4, 1e4])
    assert np.isfinite(adversarial_loss(values, real=True, kind="gan"))


def test_accuracy_counts_logits_at_a_half():
    real, fake = np.array([0.6, 0.5, 2.0, -1.0]), np.array([0.4, 0.5, 3.0, -2.0])
    found = discriminator_accuracy(jnp.array(real), jnp.array(fake))
    assert float(found) == (2 / 4 + 2 / 4) / 2


class NumpyPool:
    """The pool as one would write it for one image after the other."""

    def __init__(self, size: int):
        self.size, self.images = size, []

    def query(self, image, slot, coin):
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if not coin:
            return image
        older, self.images[slot] = self.images[slot], image
        return older


@pytest.mark.parametrize("size, batch", [(5, 3), (3, 4), (1, 2)])
def test_the_pool_is_that_of_one_image_after_the_other(size, batch):
    """Ten batches, so that it fills up in the middle of one; slots and coins are the same draws."""
    ours, theirs = make_pool({"image": jnp.zeros((batch, 2, 2, 3))}, size), NumpyPool(size)
    step = jax.jit(query)
    exchanged = 0
    for number in range(10):
        values = batch * number + np.arange(batch, dtype=np.float32)
        images = np.broadcast_to(values[:, None, None, None], (batch, 2, 2, 3))
        key = jax.random.key(number)
        ours, found = step(ours, {"image": jnp.array(images)}, key)
        slots, coins = (np.asarray(x) for x in draws(key, batch, size))
        wanted = [theirs.query(*entry) for entry in zip(images, slots, coins, strict=True)]
        np.testing.assert_array_equal(found["image"], np.stack(wanted))
        exchanged += int((found["image"] != images).any())
        assert int(ours.count) == len(theirs.images)
    np.testing.assert_array_equal(ours.images["image"], np.stack(theirs.images))
    assert 2 <= exchanged <= 10


def test_half_of_a_full_pools_answers_are_older_ones_and_slots_are_even():
    slots, coins = draws(jax.random.key(0), 4000, 5)
    assert abs(np.mean(coins) - 0.5) < 0.04
    assert np.abs(np.bincount(np.asarray(slots), minlength=5) - 800).max() < 120


def test_the_condition_stays_with_its_image():
    values = jnp.arange(8.0)[:, None, None, None] * jnp.ones((8, 2, 2, 3))
    pool = make_pool({"gif": values[:4], "image": values[:4]}, 3)
    for part in (values[:4], values[4:]):
        pool, found = query(pool, {"gif": -part, "image": part}, jax.random.key(1))
        np.testing.assert_array_equal(found["gif"], -found["image"])


def test_a_pool_of_nothing_returns_what_comes():
    images = {"image": jnp.ones((2, 2, 2, 3))}
    pool, found = query(make_pool(images, 0), images, jax.random.key(0))
    assert found is images and pool.images["image"].shape[0] == 0


def test_a_gated_update_keeps_everything_but_the_schedules_count():
    """PyTorch's schedules count epochs: a step that is left out does not delay them."""
    optimizer = optax.chain(
        optax.scale_by_adam(), optax.scale_by_learning_rate(lambda count: 0.1 / (1 + count))
    )
    params = {"w": jnp.ones(3)}
    before = optimizer.init(params)
    _, after = optimizer.update({"w": jnp.ones(3)}, before, params)
    kept = select(jnp.array(False), after, before)
    assert int(kept[0].count) == 0 and not np.any(kept[0].mu["w"])
    assert int(kept[1].count) == 1
    taken = select(jnp.array(True), after, before)
    assert int(taken[0].count) == 1 and np.all(taken[0].mu["w"])


def adversary(**fields) -> Adversary:
    config = {"kind": "gan", "weight": 1.0, "pool_size": 0, "channels": (2, 3)} | fields
    return Adversary(ml_collections.ConfigDict(config), optax.sgd(1e-2), None)


@pytest.mark.parametrize("taught, steps", [(False, 1.0), (True, 0.0)])
def test_the_discriminator_rests_while_it_is_too_good(taught, steps):
    """Equal pairs cannot be told apart, so it steps; it is first taught to tell the others."""
    judge = adversary()
    rng = np.random.default_rng(0)
    image = jnp.array(rng.uniform(-1, 1, (2, 16, 16, 3)), jnp.float32)
    real = {"gif": image, "image": image}
    fake = {"gif": image, "image": -image if taught else image}
    state, optimizer_state = judge.init(jax.random.key(0), real)
    if taught:
        free = optax.adam(3e-2)
        params, free_state = state.params, free.init(state.params)

        @jax.jit
        def improve(params, free_state):
            def loss(params):
                logits = [judge.judge(params, state.model_state, x)[0] for x in (real, fake)]
                return adversarial_loss(logits[0] - 1, real=True, kind="gan") + adversarial_loss(
                    logits[1], real=False, kind="gan"
                )

            updates, free_state = free.update(jax.grad(loss)(params), free_state)
            return optax.apply_updates(params, updates), free_state

        for _ in range(60):
            params, free_state = improve(params, free_state)
        state = state.replace(params=params)
    after, _, metrics = jax.jit(
        lambda state, optimizer_state: judge.step(
            state, optimizer_state, {}, lambda _: (fake, real), key=jax.random.key(1)
        )
    )(state, optimizer_state)
    assert (float(metrics["discriminator_accuracy"]) < 0.75) == bool(steps)
    assert float(metrics["discriminator_steps"]) == steps
    moved = [
        not np.array_equal(a, b)
        for a, b in zip(
            jax.tree.leaves(state.params), jax.tree.leaves(after.params), strict=True
        )
    ]
    assert any(moved) == bool(steps)


@pytest.mark.parametrize("num_parts", [1, 2, 3])
def test_parts_of_a_batch_give_the_whole_batchs_gradient(num_parts):
    x = jnp.array(np.random.default_rng(0).normal(size=(6, 4)), jnp.float32)
    weights = jnp.arange(4.0)

    def function(count, part):
        gradient = jax.grad(lambda w: jnp.mean(jnp.square(part["x"] @ w)))(weights)
        return count + 1, {"gradient": gradient}

    count, found = accumulate(function, 0, {"x": x}, num_parts)
    wanted = 2 * (np.asarray(x).T @ (np.asarray(x) @ np.arange(4.0))) / 6
    np.testing.assert_allclose(found["gradient"], wanted, rtol=1e-5)
    assert int(count) == num_parts


def test_parts_that_do_not_divide_the_batch_are_named():
    with pytest.raises(ValueError, match="accumulate_steps: expected a divisor of the batch, 6"):
        accumulate(lambda c, p: (c, p), 0, {"x": jnp.zeros((6, 1))}, 4)
