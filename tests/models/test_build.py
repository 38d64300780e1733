"""Networks by name: golden parameter counts, and fields that do not fit."""

import importlib.util
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.models.build import MODELS, build_model, variable_shapes
from gif2video_jax.models.superslomo import FLOW_UNET
from gif2video_jax.models.unet import UNet

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"

# Which network a config's task trains; its fields are `config.model`.
KIND_OF_TASK = {
    "dequantization": "ccdnet1",
    "refinement": "ccdnet",
    "interpolation": "superslomo",
    "clip_interpolation": "superslomo",
    "inpainting": "combcn",
    "dither_classification": "dither_classifier",
}

# Parameters of the network that each config trains. A config without a line here fails.
CONFIG_PARAMETERS = {
    "wide_dequantizer": 5_536_204,
    "ccdnet1_faces_dither": 14_789_059,
    "ccdnet1_faces_nodither": 14_789_059,
    "ccdnet1_gan_faces_dither": 14_789_059,
    "ccdnet1_gan_faces_dither_nodither": 14_789_059,
    "ccdnet1_gan_faces_nodither": 14_789_059,
    "ccdnet1_gan_moments_nodither": 14_789_059,
    "ccdnet2_faces_dither": 29_579_846,
    "ccdnet2_faces_nodither": 29_583_302,
    "ccdnet2_gan_faces_dither": 29_583_302,
    "ccdnet2_gan_faces_nodither": 29_583_302,
    "combcn_default": 2_187_670,
    "combcn_default_2d": 543_379,
    "combcn_faces": 15_223_734,
    "combcn_faces_2d": 8_659_875,
    "combcn_faces_frozen": 15_223_734,
    "combcn_faces_ratio4": 15_230_902,
    "combcn_faces_scratch": 15_223_734,
    "combcn_faces_stride_time": 15_502_262,
    "default_dequantizer": 1_243_884,
    "default_dither_classifier": 13_788,
    "default_interpolator": 954_946,
    "interpolation_faces_joint": 39_601_831,
    "interpolation_faces_sequential": 39_601_831,
    "interpolation_moments_joint": 39_601_831,
    "smoke": 60_011,
}


def count_parameters(module) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(variable_shapes(module)["params"]))


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        # The facts give 14.79 M and about 19.8 M twice; by hand below for the first.
        ("ccdnet1", {"unet": {}}, 14_789_059),
        ("superslomo", {"unet": FLOW_UNET}, 39_601_831),
        ("ccdnet", {"unet": {}, "requantize": False}, 14_789_059 + 14_789_059 + 3 * 9 * 64),
        ("ccdnet", {"unet": {}}, 14_789_059 + 14_789_059 + 9 * 9 * 64),
        ("discriminator", {}, 2_774_849),
    ],
    ids=["ccdnet1", "superslomo", "ccdnet2_6", "ccdnet2_12", "discriminator"],
)
def test_the_papers_networks_have_their_parameters(kind, fields, expected):
    assert count_parameters(build_model(kind, fields)) == expected


def test_the_count_of_the_colour_network_is_that_of_its_layers():
    def stage(before, channels):
        return 9 * channels * (before + channels) + 2 * channels + 4 * channels

    def up(below, skip, channels):
        return 4 * below * below + below + stage(below + skip, channels)

    expected = (
        stage(3, 64) + stage(64, 128) + stage(128, 256) + stage(256, 512) + stage(512, 512)
        + up(512, 512, 256) + up(256, 256, 128) + up(128, 128, 64) + up(64, 64, 64)
        + 64 * 3 + 3
    )  # fmt: skip
    assert expected == 14_789_059


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda path: path.stem)
def test_every_configs_network_has_a_golden_count(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    if "model" not in config:
        pytest.skip("trains no network")
    kind = config.model.get("kind", KIND_OF_TASK.get(config.task))
    assert kind in MODELS, f"say in KIND_OF_TASK which network the task {config.task} trains"
    assert path.stem in CONFIG_PARAMETERS, f"give {path.stem} a golden count"
    fields = {name: value for name, value in config.model.items() if name != "kind"}
    assert count_parameters(build_model(kind, fields)) == CONFIG_PARAMETERS[path.stem]


def test_shapes_are_those_of_initialised_variables():
    fields = {
        "unet": {"stage_channels": [4], "up_channels": [], "kernel_sizes": [3]},
        "geometry_channels": 12,
    }
    module = build_model("ccdnet1", fields)
    image = jnp.zeros((1, 10, 12, 3))
    variables = jax.jit(module.init)(jax.random.key(0), image, jnp.zeros((1, 10, 12, 12)))
    expected = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), variables)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), variable_shapes(module))
    assert shapes == expected


def test_lists_and_type_names_of_json_are_understood():
    module = build_model("ccdnet1", {"unet": {"stage_channels": [4, 8], "dtype": "bfloat16"}})
    assert module.unet["stage_channels"] == (4, 8)
    assert module.unet["dtype"] == jnp.bfloat16


def test_what_is_unknown_is_rejected_with_what_there_is():
    with pytest.raises(ValueError, match="expected one of ccdnet1, ccdnet, .*, got 'resnet'"):
        build_model("resnet", {})
    with pytest.raises(ValueError, match="ccdnet1: unknown fields depth; it has unet, compo"):
        build_model("ccdnet1", {"unet": {}, "depth": 3})
    with pytest.raises(ValueError, match="module: expected one of ccdnet1"):
        variable_shapes(UNet(out_channels=3))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, np.dtype("float16")])
def test_results_are_float32_whatever_the_arithmetic(dtype):
    unet = {"stage_channels": (4, 8), "up_channels": (4,), "kernel_sizes": (3, 3), "dtype": dtype}
    module = build_model("ccdnet1", {"unet": unet})
    shapes = variable_shapes(module)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(shapes))
    result = jax.eval_shape(module.apply, shapes, jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32))
    assert result.dtype == jnp.float32
