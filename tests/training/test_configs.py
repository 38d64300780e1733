"""The shipped configs: whole, and, shrunk, able to learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training.inputs import make_examples
from gif2video_jax.training.tasks import TASKS, make_task
from tests.quick import quick_jit
from tests.training.shrunk_configs import CONFIGS, batch_of, names, shipped, shrunk, state_of

# Optimising compilers take longer than these steps do.
# One of each kind; the others differ in data or length, or in what these cover together.
QUICK = ("ccdnet2_gan_faces_nodither.py", "interpolation_faces_joint.py", "smoke.py")


def run(config, num_steps: int) -> tuple[list[float], list[dict]]:
    """Losses and all metrics of steps on one repeated batch."""
    batch = batch_of(config.task)
    task = make_task(config)
    state = state_of(task, batch)
    step = quick_jit(task.step, donate_argnums=0)
    metrics = []
    for _ in range(num_steps):
        state, found = step(state, batch)
        metrics.append({key: float(value) for key, value in found.items()})
    return [found["loss"] for found in metrics], metrics


def check_learns(name: str) -> None:
    config = shrunk(name)
    if "outliers" in config:
        config.outliers.threshold = 1e6  # untrained flows of noise are all outliers
    losses, metrics = run(config, 10)
    assert np.isfinite(losses).all()
    stepped = [found.get("generator_steps", 1.0) for found in metrics]
    assert sum(stepped) > 5, metrics[-1]
    assert min(losses[-3:]) < 0.98 * losses[0], losses


@pytest.mark.parametrize("name", QUICK)
def test_a_config_of_each_kind_lowers_its_loss_on_one_repeated_batch(name):
    check_learns(name)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in names() if name not in QUICK])
def test_every_other_config_lowers_its_loss_on_one_repeated_batch(name):
    check_learns(name)


@pytest.mark.parametrize("name", names())
def test_a_shipped_config_makes_its_whole_network(name):
    """Nothing is computed: shapes alone, of the size that is shipped."""
    config = shipped(name)
    task = make_task(config)
    state = jax.eval_shape(task.init, jax.random.key(0), task.example_batch())
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    # PyTorch's own counts of the same networks, see tests/models/.
    golden = {
        "ccdnet1": 14_789_059,
        "ccdnet2": 14_789_059 + (9 if config.model.get("requantize", True) else 3) * 9 * 64,
        "interpolation": 39_601_831,
    }
    for prefix, wanted in golden.items():
        if name.startswith(prefix):
            assert count == wanted
    assert 1e4 < count


@pytest.mark.parametrize("name", names())
def test_the_data_of_a_shipped_config_are_known_fields(name):
    """Where there are no data the source is named, and no field is."""
    config = shipped(name)
    fields = dict(config.data) | {"source": "packed:nowhere.zip"}
    fields.pop("corpus", None)
    fields.pop("examples_per_batch")
    with pytest.raises(InputError, match="nowhere.zip: no such packed corpus"):
        make_examples(config.task, split="train", seed=0, **fields)


@pytest.mark.parametrize("name", names())
def test_a_header_tells_command_hardware_and_result(name):
    header = (CONFIGS / name).read_text().split('"""')[1]
    assert f"--config=configs/{name}" in header and "TODO" not in header
    if not name.startswith("default_"):
        assert "Hardware and cost:" in header and "Expected result:" in header


def broken(change) -> str:
    config = shipped("ccdnet1_gan_faces_dither.py")
    with config.unlocked():
        change(config)
    with pytest.raises(ValueError) as caught:
        make_task(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def without(*path):
    def change(config):
        for name in path[:-1]:
            config = config[name]
        del config[path[-1]]

    return change


def setting(value, *path):
    def change(config):
        for name in path[:-1]:
            config = config[name]
        config[path[-1]] = value

    return change


FIELDS = [
    (name,)
    for name in shipped("ccdnet1_gan_faces_dither.py")
    if name not in ("accumulate_steps", "adversarial", "task")
] + [("optimizer", "b1"), ("adversarial", "kind"), ("optimizer", "learning_rate")]


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_a_missing_field_is_named(path):
    assert f"{'.'.join(path)}: this field is missing" in broken(without(*path))


@pytest.mark.parametrize(
    "path",
    [("typo",), ("optimizer", "halve_every"), ("adversarial", "typo"), ("losses", "flow")],
    ids=".".join,
)
def test_a_field_that_nothing_reads_is_named(path):
    message = broken(setting(1, *path))
    assert f"{'.'.join(path)}: no such field" in message and "there are " in message


@pytest.mark.parametrize(
    "path, value, words",
    [
        (("task",), "guessing", "task: expected one of dequantization, refinement"),
        (("validation_batches",), 0, "validation_batches: expected a whole number of 1 or more"),
        (("log_every",), 0, "log_every: expected a whole number of 1 or more, got 0"),
        (("num_steps",), 2.5, "num_steps: expected a whole number"),
        (("accumulate_steps",), 0, "accumulate_steps: expected a whole number of 1 or more"),
        (("adversarial", "kind"), "wgan", "adversarial.kind: expected one of none, gan, lsgan"),
        (("adversarial", "pool_size"), -1, "adversarial.pool_size: expected a whole number of 0"),
        (("optimizer", "schedule"), "linear", "schedule: expected one of constant, cosine"),
        (("losses",), 3, "losses: expected a section of fields, got 3"),
        (("model", "typo"), 1, "ccdnet1: unknown fields typo"),
    ],
    ids=str,
)
def test_a_value_that_makes_no_sense_is_named(path, value, words):
    def change(config):
        with config.ignore_type():
            setting(value, *path)(config)

    assert words in broken(change)


def test_a_config_without_a_network_to_train_says_so():
    message = broken(lambda config: setattr(config.model, "unet", None))
    assert message == "model.unet: expected a U-Net's fields; without it nothing is trained"


def test_losses_that_are_all_zero_are_named():
    def change(config):
        config.losses.l1 = config.losses.gradient = 0.0
        config.adversarial.weight = 0.0

    assert "losses: every weight is zero" in broken(change)


@pytest.mark.parametrize("field, value", [("mode", "both"), ("kind", "unet")])
def test_an_interpolation_names_its_unknown_choices(field, value):
    config = shipped("interpolation_faces_joint.py")
    (config if field == "mode" else config.base)[field] = value
    with pytest.raises(ValueError, match=f"{field}: expected one of .*, got '{value}'"):
        make_task(config)


def test_every_task_of_ours_has_a_config():
    used = {shipped(name).task for name in names()}
    assert used >= {"dequantization", "refinement", "interpolation", "clip_interpolation"}
    assert used <= set(TASKS)


@pytest.mark.long
def test_weights_of_zero_are_left_out_of_the_loss():
    config = shrunk("smoke.py")
    config.losses.gradient = 0.0
    losses, metrics = run(config, 1)
    assert losses[0] == pytest.approx(metrics[0]["l1"], rel=1e-6)


@pytest.mark.long
def test_accumulated_steps_are_those_of_the_whole_batch():
    """Without BatchNorm, whose statistics are a part's."""
    config = shrunk("smoke.py")
    whole, _ = run(config, 4)
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.accumulate_steps = 2
    parts, _ = run(config, 4)
    np.testing.assert_allclose(parts, whole, rtol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("name", ["ccdnet1_gan_faces_dither.py", "interpolation_faces_joint.py"])
def test_half_precision_keeps_parameters_and_losses_close(name):
    """bfloat16 has eight bits: a first loss to a percent, and float32 parameters."""
    config = shrunk(name)
    whole, _ = run(config, 1)
    config.model.unet.dtype = "bfloat16"
    half, _ = run(config, 1)
    assert half[0] == pytest.approx(whole[0], rel=0.02) and half[0] != whole[0]
    task = make_task(config)
    state = jax.eval_shape(task.init, jax.random.key(0), batch_of(config.task))
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
