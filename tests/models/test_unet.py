"""The U-Net's settings: sizes, folding, what a tile sees, and settings that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.models.unet import UPSAMPLINGS, TransposedConvolution, UNet
from tests.random_variables import random_variables

SMALL = {"stage_channels": (4, 6, 8), "up_channels": (6, 4), "kernel_sizes": (3, 3, 3)}


def random_image(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_the_transposed_convolution_is_laxs():
    # lax.conv_transpose with the kernel as PyTorch turns it: output block (i, j) is kernel[i, j].
    image = random_image(0, 2, 3, 5, 6)
    module = TransposedConvolution(6)
    variables = module.init(jax.random.key(0), image)
    kernel, bias = variables["params"]["kernel"], random_image(1, 6)
    expected = jax.lax.conv_transpose(
        image,
        kernel[::-1, ::-1],
        strides=(2, 2),
        padding="VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    result = module.apply({"params": {"kernel": kernel, "bias": bias}}, image)
    np.testing.assert_allclose(result, expected + bias, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (11, 4)])
def test_every_size_comes_out_at_its_own(size):
    module = UNet(out_channels=2, **SMALL, norm="none")
    assert module.multiple == 4
    shape = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    result, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), shape)
    assert result.shape == (1, *size, 2)


def test_an_image_that_is_too_small_is_rejected():
    with pytest.raises(ValueError, match="at least 16 pixels a side, got 16 x 15; pad it"):
        UNet(out_channels=3).init(jax.random.key(0), jnp.zeros((1, 16, 15, 3)))


@pytest.mark.parametrize("head", ["depth_to_space", "bilinear"])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_folded_stem_comes_out_at_full_size(head, upsampling):
    module = UNet(
        out_channels=2, **SMALL, norm="none", stem_factor=2, head=head, upsampling=upsampling
    )
    assert module.multiple == 8
    image = jax.ShapeDtypeStruct((1, 16, 24, 3), jnp.float32)
    result, variables = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    assert result.shape == (1, 16, 24, 2)
    kernel = variables["params"]["stem"]["convolution_0"]["kernel"]
    assert kernel.shape == (3, 3, 12, 4)


@pytest.mark.parametrize(
    "fields",
    [
        {"norm": "none"},
        {"norm": "layer", "upsampling": "bilinear"},
        {"norm": "batch", "stem_factor": 2},
        {"norm": "none", "stem_factor": 2, "upsampling": "bilinear", "head": "bilinear"},
    ],
)
def test_a_pixel_reaches_no_farther_than_it_says(fields):
    module = UNet(out_channels=1, **SMALL, **fields)
    size = 2 * (module.reach // 8 + 2) * 8
    image = random_image(2, 1, size, size, 1)
    variables = random_variables(module, 0, image)
    apply = jax.jit(module.apply)
    before, farthest = apply(variables, image), 0
    for middle in range(size // 2, size // 2 + module.multiple):
        after = apply(variables, image.at[0, middle, middle].add(1e4))
        rows, columns, _ = np.nonzero(np.asarray(before != after)[0])
        farthest = max(farthest, np.abs(np.concatenate([rows, columns]) - middle).max())
    assert farthest <= module.reach
    assert farthest >= 0.8 * module.reach, "a bound that is much too large"


def test_the_papers_network_reaches_as_far_as_measured():
    # DESIGN: 94 pixels measured for the colour U-Net.
    assert UNet(out_channels=3).reach >= 94


def test_residual_stages_add_their_first_half():
    module = UNet(out_channels=1, **SMALL, norm="none", residual_stages=True)
    image = random_image(3, 1, 8, 8, 3)
    variables = random_variables(module, 4, image)
    # With the second convolutions at zero, a stage is its first half, and a plain one is nothing.
    variables = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf if "convolution_1" in str(path) else leaf, variables
    )
    assert np.std(jax.jit(module.apply)(variables, image)) > 0.1
    plain = UNet(out_channels=1, **SMALL, norm="none")
    assert np.std(jax.jit(plain.apply)(variables, image)) < 1e-6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"norm": "group"}, "norm: expected one of none, batch, layer, got 'group'"),
        ({"upsampling": "nearest"}, "upsampling: expected one of transposed, .*, got 'nearest'"),
        ({"head": "none"}, "head: expected one of depth_to_space, bilinear, got 'none'"),
        ({"up_channels": (4,)}, "up_channels: expected 4 entries, .* got 1"),
        ({"kernel_sizes": (3, 3)}, "kernel_sizes: expected 5 entries, .* got 2"),
    ],
)
def test_settings_that_do_not_fit_are_rejected(fields, message):
    with pytest.raises(ValueError, match=message):
        UNet(out_channels=3, **fields)
