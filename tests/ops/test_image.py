"""Ranges, folding and enlarging; enlarging against PyTorch's interpolate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.ops.image import (
    depth_to_space,
    resize_bilinear,
    space_to_depth,
    to_float,
    to_uint8,
)
from tests import oracles


def test_every_byte_survives_the_way_to_float_and_back():
    levels = jnp.arange(256, dtype=jnp.uint8).reshape(1, 16, 16)
    as_float = to_float(levels)
    np.testing.assert_allclose(as_float, np.arange(256).reshape(1, 16, 16) / 127.5 - 1, atol=1e-6)
    assert as_float.min() == -1 and as_float.max() == 1
    np.testing.assert_array_equal(to_uint8(as_float), levels)
    np.testing.assert_array_equal(jax.jit(lambda x: to_uint8(to_float(x)))(levels), levels)


def test_what_lies_outside_the_range_is_clipped():
    np.testing.assert_array_equal(to_uint8(jnp.array([-1.5, 1.5, 9.0, -9.0])), [0, 255, 255, 0])


@pytest.mark.parametrize(
    ("factor", "rows", "columns", "channels"),
    [(1, 2, 3, 1), (2, 3, 2, 3), (3, 1, 1, 2), (4, 2, 1, 3)],
)
def test_unfolding_undoes_folding(factor, rows, columns, channels):
    shape = (2, rows * factor, columns * factor, channels)
    image = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
    folded = space_to_depth(image, factor)
    assert folded.shape == (2, rows, columns, channels * factor**2)
    np.testing.assert_array_equal(depth_to_space(folded, factor), image)


def test_folds_in_the_order_row_column_channel():
    image = jnp.arange(8.0).reshape(1, 2, 2, 2)
    np.testing.assert_array_equal(space_to_depth(image, 2)[0, 0, 0], np.arange(8))


def test_folding_is_pytorchs_pixel_unshuffle_with_other_channel_order():
    torch = oracles.require_module("torch")
    image = np.random.default_rng(0).normal(size=(2, 6, 8, 3)).astype(np.float32)
    theirs = torch.nn.functional.pixel_unshuffle(torch.from_numpy(image.transpose(0, 3, 1, 2)), 2)
    theirs = theirs.numpy().reshape(2, 3, 4, 3, 4).transpose(0, 3, 4, 2, 1).reshape(2, 3, 4, 12)
    np.testing.assert_array_equal(space_to_depth(jnp.asarray(image), 2), theirs)


def test_sizes_that_do_not_fold_are_rejected():
    with pytest.raises(ValueError, match="multiples of 2, got 5 and 4"):
        space_to_depth(jnp.zeros((1, 5, 4, 3)), 2)
    with pytest.raises(ValueError, match="a multiple of 4, got 6"):
        depth_to_space(jnp.zeros((1, 5, 4, 6)), 2)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    "size", [(5, 7, 10, 14), (1, 64, 2, 128), (1, 3, 2, 6), (4, 4, 9, 5), (1, 1, 3, 1)]
)
def test_enlarges_as_pytorch_does(align_corners, size):
    torch = oracles.require_module("torch")
    height, width, new_height, new_width = size
    image = np.random.default_rng(1).normal(size=(2, height, width, 3)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(image.transpose(0, 3, 1, 2)),
        (new_height, new_width),
        mode="bilinear",
        align_corners=align_corners,
    )
    ours = resize_bilinear(jnp.asarray(image), new_height, new_width, align_corners=align_corners)
    np.testing.assert_allclose(ours, theirs.numpy().transpose(0, 2, 3, 1), atol=1e-5)


def test_aligned_corners_keep_their_values_and_straight_lines():
    ramp = jnp.linspace(0, 1, 6)[None, :, None, None] * jnp.ones((1, 6, 4, 1))
    result = resize_bilinear(ramp, 11, 9, align_corners=True)
    np.testing.assert_allclose(result[0, :, 3, 0], np.linspace(0, 1, 11), atol=1e-6)
