"""The authors' optimiser: PyTorch's Adam written out in NumPy, PyTorch itself where it is there."""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from gif2video_jax.training.optimizers import make_optimizer, make_schedule
from tests import oracles

NUM_STEPS = 100


def settings(**fields) -> ml_collections.ConfigDict:
    defaults = {
        "learning_rate": 1e-2,
        "schedule": "constant",
        "warmup_steps": 0,
        "b1": 0.9,
        "b2": 0.99,
        "epsilon": 1e-8,
        "weight_decay": 0.0,
        "clip_norm": 0.0,
    }
    return ml_collections.ConfigDict(defaults | fields)


def gradients(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 2, (count, *shape)).astype(np.float32)


def run(config, start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    optimizer = make_optimizer(config, NUM_STEPS)
    params = {"w": jnp.array(start)}
    state = optimizer.init(params)
    for gradient in steps:
        updates, state = optimizer.update({"w": jnp.array(gradient)}, state, params)
        params = optax.apply_updates(params, updates)
    return np.asarray(params["w"])


def numpy_adam(start, steps, *, rate, b1, b2, weight_decay, clip_norm, epsilon=1e-8) -> np.ndarray:
    """PyTorch's documentation of Adam, after clip_grad_norm_, line by line in float64."""
    value = start.astype(float)
    mean, square = np.zeros_like(value), np.zeros_like(value)
    for number, gradient in enumerate(steps, 1):
        gradient = gradient.astype(float)
        if clip_norm:
            gradient = gradient * min(1.0, clip_norm / np.sqrt(np.sum(gradient**2)))
        gradient = gradient + weight_decay * value
        mean = b1 * mean + (1 - b1) * gradient
        square = b2 * square + (1 - b2) * gradient**2
        value = value - rate * (mean / (1 - b1**number)) / (
            np.sqrt(square / (1 - b2**number)) + epsilon
        )
    return value


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("clip_norm", [0.0, 1.5])
@pytest.mark.parametrize("epsilon", [1e-8, 0.5])
def test_adam_is_pytorchs_with_coupled_decay(weight_decay, clip_norm, epsilon):
    start, steps = gradients(1, 4, 3)[0], gradients(12, 4, 3)
    fields = {"b1": 0.8, "b2": 0.95, "weight_decay": weight_decay, "clip_norm": clip_norm}
    fields["epsilon"] = epsilon
    wanted = numpy_adam(start, steps, rate=1e-2, **fields)
    np.testing.assert_allclose(run(settings(**fields), start, steps), wanted, atol=1e-5)


def test_decay_is_not_adamws():
    """With a gradient of zero, coupled decay moves by the full rate, whatever the weight's size."""
    start = np.array([3.0, -0.5], np.float32)
    moved = run(settings(weight_decay=0.1), start, np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(start - moved, [0.01, -0.01], rtol=1e-4)


def test_adam_is_pytorchs_own():
    torch = oracles.require_module("torch")
    start, steps = gradients(1, 4, 3)[0], gradients(8, 4, 3)
    weight = torch.nn.Parameter(torch.from_numpy(start.copy()))
    adam = torch.optim.Adam([weight], lr=1e-2, betas=(0.9, 0.99), weight_decay=0.3)
    for gradient in steps:
        weight.grad = torch.from_numpy(gradient.copy())
        torch.nn.utils.clip_grad_norm_([weight], 1.5)
        adam.step()
    ours = run(settings(weight_decay=0.3, clip_norm=1.5), start, steps)
    np.testing.assert_allclose(ours, weight.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "fields, wanted",
    [
        ({"schedule": "constant"}, {0: 1.0, 50: 1.0, 1000: 1.0}),
        ({"schedule": "cosine"}, {0: 1.0, 50: 0.5, 25: 0.853553, 100: 0.0, 120: 0.0}),
        (
            {"schedule": "halving", "halve_every": 10},
            {0: 1.0, 9: 1.0, 10: 0.5, 19: 0.5, 20: 0.25, 45: 1 / 16},
        ),
        (
            {"schedule": "step", "drop_at": (30, 60)},
            {0: 1.0, 29: 1.0, 30: 0.1, 59: 0.1, 60: 0.01, 99: 0.01},
        ),
    ],
)
def test_rates_at_given_steps(fields, wanted):
    schedule = make_schedule(settings(learning_rate=2.0, **fields), NUM_STEPS)
    found = {step: float(schedule(jnp.asarray(step))) / 2 for step in wanted}
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    "fields, wanted",
    [
        ({"schedule": "constant"}, {0: 0.0, 1: 0.25, 4: 1.0, 90: 1.0}),
        ({"schedule": "cosine"}, {0: 0.0, 2: 0.5, 4: 1.0, 52: 0.5, 100: 0.0}),
        ({"schedule": "halving", "halve_every": 10}, {2: 0.5, 9: 1.0, 10: 0.5, 20: 0.25}),
        ({"schedule": "step", "drop_at": (30,)}, {2: 0.5, 29: 1.0, 30: 0.1}),
    ],
)
def test_a_warm_up_leaves_the_later_steps_where_they_are(fields, wanted):
    schedule = make_schedule(settings(learning_rate=2.0, warmup_steps=4, **fields), NUM_STEPS)
    found = {step: float(jax.jit(schedule)(jnp.asarray(step))) / 2 for step in wanted}
    assert found == pytest.approx(wanted, abs=1e-6)


def test_unknown_schedules_are_named():
    with pytest.raises(ValueError, match="constant, cosine, halving, step, got 'linear'"):
        make_schedule(settings(schedule="linear"), NUM_STEPS)
