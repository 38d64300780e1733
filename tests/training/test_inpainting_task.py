"""The inpainting task: its loss in closed form, whose turn it is, and the shipped configs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training.inpainting_task import frame_masked_l1, masked_l1
from gif2video_jax.training.inputs import make_examples
from gif2video_jax.training.tasks import make_task
from tests.quick import quick_jit
from tests.training.shrunk_configs import CONFIGS, shipped, state_of

NAMES = sorted(path.name for path in CONFIGS.glob("combcn_*.py"))


def shrunk(name, **fields):
    """A shipped config with a tiny network."""
    config = shipped(name)
    config.model.base_channels, config.model.volume_channels = 2, 1
    config.optimizer.learning_rate, config.optimizer.warmup_steps = 1e-3, 0
    for key, value in fields.items():
        config[key] = value
    return config


def batch_of(num_frames=4, side=32):
    """Two clips of a gradient that moves, with a box as a hole."""
    rows = np.linspace(0, 200, side)[:, None] + 5 * np.arange(num_frames)[:, None, None]
    truth = np.broadcast_to(rows[None, ..., None], (2, num_frames, side, side, 3))
    mask = np.zeros((2, num_frames, side, side), bool)
    mask[:, :, 8:20, 8:20] = True
    return {"truth": truth.astype(np.uint8), "mask": mask}


def run(config, num_steps):
    task, batch = make_task(config), batch_of()
    state = state_of(task, batch)
    states, metrics, steps = [state], [], {}
    for number in range(num_steps):
        task = task.at(number)
        step = steps.setdefault(task.volume_alone, quick_jit(task.step))
        state, found = step(state, batch)
        states.append(state)
        metrics.append({key: float(value) for key, value in found.items()})
    return states, metrics


def changed(before, after, network):
    pairs = zip(
        jax.tree.leaves(before.params[network]), jax.tree.leaves(after.params[network]),
        strict=True,
    )
    return any(not np.array_equal(a, b) for a, b in pairs)


def test_the_loss_is_the_papers():
    truth = jnp.zeros((1, 2, 4, 4, 3))
    output = truth.at[:, 0].set(1.0).at[:, 1].set(3.0)
    mask = jnp.zeros((1, 2, 4, 4, 1)).at[:, 0, 0, :2].set(1).at[:, 1, :].set(1)
    # Over all of the volume 2 pixels are 1 off and 16 are 3 off; each frame has its own ratio.
    assert float(masked_l1(output, truth, mask)) == pytest.approx((2 * 1 + 16 * 3) / 18)
    assert float(frame_masked_l1(output, truth, mask)) == pytest.approx((1 + 3) / 2)
    nothing = jnp.zeros_like(mask)
    assert float(masked_l1(output, truth, nothing)) == 0


def test_the_3dcn_trains_first_then_both():
    config = shrunk("combcn_faces.py", volume_steps=1)
    (first, second, third), metrics = run(config, 2)
    assert changed(first, second, "volume") and not changed(first, second, "frame")
    assert changed(second, third, "volume") and changed(second, third, "frame")
    assert metrics[0]["combined"] == 0 and metrics[0]["volume"] > 0
    assert metrics[1]["loss"] == pytest.approx(metrics[1]["volume"] + metrics[1]["combined"])


@pytest.mark.long
def test_a_frozen_3dcn_stays_as_it_is_and_still_guides():
    config = shrunk("combcn_faces_frozen.py", volume_steps=1)
    (first, second, third), _ = run(config, 2)
    assert changed(first, second, "volume") and not changed(second, third, "volume")
    assert changed(second, third, "frame")
    before, after = (
        jax.tree.leaves(state.model_state["batch_stats"]["volume"]) for state in (second, third)
    )
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_default_config_learns_from_some_frames_of_each_clip():
    config = shrunk("combcn_default.py", frames_per_clip=2)
    config.model.fill = "video"  # tells what it saw elsewhere, as "motion" does; compiles faster
    states, metrics = run(config, 8)
    losses = [found["loss"] for found in metrics]
    assert np.isfinite(losses).all() and min(losses) >= 0
    assert np.mean(losses[-2:]) < losses[0]
    task = make_task(config)
    judged = quick_jit(task.evaluate)(states[-1], batch_of())
    assert set(judged) == {"l1", "gain", "flicker", "volume_l1"}
    assert all(np.isfinite(float(value)) for value in judged.values())


def test_a_single_picture_has_no_flicker():
    task, batch = make_task(shrunk("combcn_default_2d.py")), batch_of(num_frames=1)
    judged = quick_jit(task.evaluate)(state_of(task, batch), batch)
    assert set(judged) == {"l1", "gain"}
    assert all(np.isfinite(float(value)) for value in judged.values())


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_config_runs_a_step(name):
    config = shrunk(name)
    _, metrics = run(config, 1)
    assert np.isfinite(metrics[0]["loss"]) and metrics[0]["gradient_norm"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_data_of_a_shipped_config_are_known_fields(name):
    fields = dict(shipped(name).data) | {"source": "packed:nowhere.zip"}
    fields.pop("examples_per_batch")
    with pytest.raises(InputError, match="nowhere.zip: no such packed corpus"):
        make_examples("inpainting", split="train", seed=0, **fields)


@pytest.mark.parametrize("name", NAMES)
def test_a_header_tells_command_and_cost(name):
    header = (CONFIGS / name).read_text("utf-8").split('"""')[1]
    assert f"--config=configs/{name}" in header and "cost:" in header


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"volume_steps": -1}, "volume_steps and frames_per_clip: expected 0 or more"),
        ({"model": {"guidance": False}}, "model.guidance: without a 3DCN expected volume_steps 0"),
        ({"losses": {"flow": 1.0}}, "losses.flow: no such field"),
        ({"adversarial": {"kind": "gan", "weight": 1.0, "pool_size": 0, "channels": (4, 4)}},
         "adversarial.kind: inpainting has no discriminator"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_named(fields, message):
    config = shipped("combcn_faces.py")
    with config.unlocked():
        config.update(fields)
    with pytest.raises(ValueError, match=message):
        make_task(config)
