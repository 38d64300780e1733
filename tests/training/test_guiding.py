"""Guiding: the oracle is the 2D network itself, whose frames must stay what they were."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.network_files import load_network, save_network
from gif2video_jax.training.guiding import guide_file, guided
from tests.random_variables import random_variables
from tests.training.small_configs import write_config

FLAT = {
    "base_channels": 2,
    "volume_channels": 1,
    "dilations": (1, 1, 1, 2),
    "volume_dilations": (1, 1, 1),
    "guidance": False,
    "fill": "lines",
    "composition": "residual",
}
COMBINED = {**FLAT, "guidance": True, "fill": "motion"}
NORMS = ("none", "batch")


def flat_variables(norm):
    module = build_model("combcn", {**FLAT, "norm": norm})
    return jax.tree.map(np.array, random_variables(module, 0))


def clip(seed=0):
    """A clip, its hole, and what fills it: any will do, as both networks see the same."""
    rng = np.random.default_rng(seed)
    video = rng.uniform(-1, 1, (1, 3, 16, 16, 3)).astype(np.float32)
    mask = np.zeros((1, 3, 16, 16, 1), np.float32)
    mask[:, :, 4:10, 5:12] = 1
    return video, mask, jnp.asarray(np.concatenate([video * (1 - mask), 1 - mask], axis=-1))


def frames(fields, variables):
    video, mask, filled = clip()
    run = jax.jit(lambda v: build_model("combcn", fields).apply(v, video, mask, filled=filled))
    return np.asarray(run(variables).frames)


@pytest.mark.parametrize("norm", NORMS)
def test_a_guided_network_does_what_the_2d_network_did(norm):
    flat = flat_variables(norm)
    combined = guided(flat, {**COMBINED, "norm": norm}, jax.random.key(1))
    expected = frames({**FLAT, "norm": norm}, flat)
    np.testing.assert_allclose(
        frames({**COMBINED, "norm": norm}, combined), expected, rtol=1e-5, atol=1e-5
    )


def test_every_new_parameter_learns_after_two_steps():
    fields = {**COMBINED, "norm": "none", "negative_slope": 0.1}
    variables = guided(flat_variables("none"), fields, jax.random.key(2))
    module = build_model("combcn", fields)
    video, mask, filled = clip(3)

    @jax.jit
    def gradient(variables):
        def loss(v):
            result = module.apply(v, video, mask, filled=filled)
            return jnp.square(result.frames).mean() + jnp.square(result.volume).mean()

        return jax.grad(loss)(variables)

    # The 3DCN's last layer learns first, and through it then what is before it.
    moved = jax.tree.map(lambda v, g: v - 0.01 * np.sign(g), variables, gradient(variables))
    for path, change in jax.tree_util.tree_leaves_with_path(gradient(moved)):
        assert np.any(np.abs(change) > 0), path


def write(folder: pathlib.Path, fields, name="flat.safetensors"):
    path = str(folder / name)
    variables = random_variables(build_model("combcn", fields), 0)
    save_network(path, "combcn", fields, variables, dtype="float32", about={})
    return path


def test_a_guided_file_holds_the_configs_network(tmp_path):
    flat = {**FLAT, "norm": "none"}
    weights, output = write(tmp_path, flat), str(tmp_path / "start.safetensors")
    fields = {"task": "inpainting", "model": {**COMBINED, "norm": "none", "dtype": "bfloat16"}}
    config = write_config(tmp_path / "combined.py", fields)
    guide_file(weights, config, output)
    start = load_network(output)
    assert start.module == build_model("combcn", {**COMBINED, "norm": "none"})
    expected = frames(flat, load_network(weights).variables)
    found = frames({**COMBINED, "norm": "none"}, start.variables)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("mine", "theirs", "task", "message"),
    [
        (
            {"base_channels": 4},
            {},
            "inpainting",
            r"base_channels: expected 4, as the config",
        ),
        ({"dilations": (1, 1, 2, 2)}, {}, "inpainting", r"dilations: expected \(1, 1, 2, 2\)"),
        ({}, {"fill": "smooth"}, "inpainting", "the 2D network has another size"),
        ({}, {"guidance": True}, "inpainting", "expected a combcn without guidance"),
        ({"guidance": False}, {}, "inpainting", "expected a config of inpainting with guidance"),
        ({}, {}, "dequantization", "expected a config of inpainting with guidance"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, mine, theirs, task, message):
    weights = write(tmp_path, {**FLAT, "norm": "none", **theirs})
    fields = {"task": task, "model": {**COMBINED, "norm": "none", **mine}}
    with pytest.raises(InputError, match=message):
        guide_file(
            weights, write_config(tmp_path / "c.py", fields), str(tmp_path / "o.safetensors")
        )
    assert not (tmp_path / "o.safetensors").exists()


def test_a_missing_folder_is_said(tmp_path):
    weights = write(tmp_path, {**FLAT, "norm": "none"})
    config = write_config(
        tmp_path / "c.py", {"task": "inpainting", "model": {**COMBINED, "norm": "none"}}
    )
    with pytest.raises(InputError, match="no such folder"):
        guide_file(weights, config, str(tmp_path / "no" / "o.safetensors"))
