"""Widening: the oracle is the narrow network itself, whose results must stay what they were."""

import jax
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.network_files import Network, load_network, save_network
from gif2video_jax.training.widening import widen_file, widened
from tests.random_variables import random_variables
from tests.training.small_configs import write_config

NARROW = {
    "stage_channels": (4, 6, 8),
    "up_channels": (5, 3),
    "kernel_sizes": (3, 3, 3),
    "norm": "none",
    "negative_slope": 0.1,
    "residual_stages": True,
    "stage_blocks": (0, 1, 1),
    "up_blocks": (1, 0),
    "stem_factor": 2,
    "upsampling": "transposed_narrow",
}
WIDE = {
    **NARROW,
    "stage_channels": (6, 9, 8),
    "up_channels": (7, 4),
    "stage_blocks": (1, 2, 1),
    "up_blocks": (2, 1),
}
FIELDS = {"composition": "residual", "geometry_channels": 12, "detail_gain": 4.0}


def network(unet=NARROW, seed=0):
    fields = {**FIELDS, "unet": unet}
    module = build_model("ccdnet1", fields)
    variables = jax.tree.map(np.array, random_variables(module, seed))
    return Network(module, variables, kind="ccdnet1", fields=fields)


def inputs(seed=1, side=32):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (2, side, side, c)).astype(np.float32) for c in (3, 12)]


def run(unet, variables):
    return jax.jit(build_model("ccdnet1", {**FIELDS, "unet": unet}).apply)(variables, *inputs())


@pytest.mark.parametrize("upsampling", ["transposed_narrow", "transposed"])
def test_a_wide_network_does_what_the_narrow_one_did(upsampling):
    narrow = network({**NARROW, "upsampling": upsampling})
    unet = {**WIDE, "upsampling": upsampling}
    wide = widened(narrow, unet, jax.random.key(2))
    assert wide["params"]["unet"]["down_1"]["block_1_in"]["kernel"].shape == (3, 3, 9, 9)
    expected = run(narrow.module.unet, narrow.variables)
    np.testing.assert_allclose(run(unet, wide), expected, rtol=1e-5, atol=1e-5)


def test_every_new_channel_learns_after_a_step():
    wide = widened(network(), WIDE, jax.random.key(3))
    module = build_model("ccdnet1", {**FIELDS, "unet": WIDE})
    arguments = inputs(4)

    @jax.jit
    def gradient(variables):
        return jax.grad(lambda v: (module.apply(v, *arguments) ** 2).mean())(variables)

    moved = jax.tree.map(lambda v, g: v - 0.01 * np.sign(g), wide, gradient(wide))
    for path, change in jax.tree_util.tree_leaves_with_path(gradient(moved)):
        assert np.all(np.abs(change).reshape(-1, change.shape[-1]).max(axis=0) > 0), path


def test_the_same_size_is_the_same_network():
    narrow = network(seed=5)
    jax.tree.map(
        np.testing.assert_array_equal,
        widened(narrow, NARROW, jax.random.key(0)),
        dict(narrow.variables),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage_channels": (6, 5, 8)}, r"unet.stage_channels: expected 3 numbers of at least"),
        ({"up_blocks": (1,)}, r"unet.up_blocks: expected 2 numbers of at least \[1, 0\], got"),
        ({"stem_factor": 1}, r"unet.stem_factor: expected the narrow network's 2, got 1"),
        ({"upsampling": "transposed"}, r"unet.upsampling: expected the narrow network's"),
    ],
)
def test_what_is_not_wider_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        widened(network(), {**WIDE, **change}, jax.random.key(0))


def test_a_wide_file_holds_the_configs_network(tmp_path):
    narrow = network(seed=6)
    path = str(tmp_path / "narrow.safetensors")
    save_network(path, "ccdnet1", narrow.fields, narrow.variables, dtype="float32", about={})
    fields = {"task": "dequantization", "model": {**FIELDS, "unet": {**WIDE, "dtype": "bfloat16"}}}
    config = write_config(tmp_path / "wide.py", fields)
    output = str(tmp_path / "wide.safetensors")
    widen_file(path, config, output)
    wide = load_network(output)
    assert wide.module == build_model("ccdnet1", {**FIELDS, "unet": WIDE})
    np.testing.assert_allclose(
        run(WIDE, wide.variables), run(NARROW, narrow.variables), rtol=1e-5, atol=1e-5
    )
    with pytest.raises(InputError, match="no such folder"):
        widen_file(path, config, str(tmp_path / "no" / "x.safetensors"))
    fields["task"] = "refinement"
    with pytest.raises(InputError, match="expected a ccdnet1 and a config of dequantization"):
        widen_file(path, write_config(tmp_path / "other.py", fields), output)
