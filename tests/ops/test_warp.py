"""warp against OpenCV's remap, PyTorch's grid_sample and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gif2video_jax.ops.warp import warp, warp_bicubic
from tests import oracles

# Few sizes, so that each is compiled once.
SIZES = [(1, 1), (1, 9), (8, 1), (7, 9)]
jitted_warp = jax.jit(warp)


def random_case(seed, n=2, height=23, width=37, channels=3, motion=8.0):
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, (n, height, width, channels)).astype(np.float32)
    flow = rng.normal(0, motion, (n, height, width, 2)).astype(np.float32)
    return image, flow


@pytest.mark.parametrize("motion", [0.4, 8.0, 100.0])
def test_is_opencvs_remap_of_the_image_with_its_border_repeated(motion):
    cv2 = oracles.require_module("cv2")
    image, flow = random_case(0, motion=motion)
    # OpenCV rounds positions to 1/32 pixel, so the flow lies on that grid.
    flow = np.round(flow * 32) / 32
    ours = warp(jnp.asarray(image), jnp.asarray(flow))
    y, x = np.mgrid[:23, :37].astype(np.float32)
    for i in range(len(image)):
        theirs = cv2.remap(
            image[i],
            x + flow[i, ..., 0],
            y + flow[i, ..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        np.testing.assert_allclose(ours[i], theirs, atol=1e-5)


@pytest.mark.parametrize("motion", [0.4, 8.0, 100.0])
def test_bicubic_is_opencvs_remap_of_the_image_with_its_border_repeated(motion):
    cv2 = oracles.require_module("cv2")
    image, flow = random_case(5, motion=motion)
    y, x = np.mgrid[:23, :37].astype(np.float32)
    # On OpenCV's grid of 1/32 pixel, and inside: beyond the border its taps go on, ours stop there.
    flow = np.round(flow * 32) / 32
    positions = np.stack([x, y], -1) + flow
    positions = np.clip(positions, 0, [36, 22]).astype(np.float32)
    ours = warp_bicubic(jnp.asarray(image), jnp.asarray(flow))
    for i in range(len(image)):
        theirs = cv2.remap(
            image[i],
            positions[i, ..., 0],
            positions[i, ..., 1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        np.testing.assert_allclose(ours[i], theirs, atol=1e-5)


def test_bicubic_leaves_still_images_alone_and_checks_shapes(without_shape_checks):
    image, flow = random_case(6, 1)
    np.testing.assert_array_equal(warp_bicubic(jnp.asarray(image), jnp.zeros_like(flow)), image)
    with pytest.raises(ValueError, match=r"flow: expected shape \(1, 23, 37, 2\)"):
        warp_bicubic(jnp.asarray(image), jnp.zeros((1, 23, 36, 2)))


@pytest.mark.parametrize(
    ("height", "width", "motion"), [(23, 37, 0.4), (23, 37, 50.0), (1, 9, 3.0), (5, 1, 3.0)]
)
def test_is_pytorchs_grid_sample_with_border_padding(height, width, motion):
    torch = oracles.require_module("torch")
    from tests import torch_networks

    image, flow = random_case(1, height=height, width=width, motion=motion)
    theirs = torch_networks.backward_warp(
        torch_networks.to_nchw(image), torch_networks.to_nchw(flow)
    )
    ours = warp(jnp.asarray(image), jnp.asarray(flow))
    np.testing.assert_allclose(ours, torch_networks.to_nhwc(theirs), atol=2e-5)
    assert theirs.dtype == torch.float32


def test_gradients_are_pytorchs():
    torch = oracles.require_module("torch")
    from tests import torch_networks

    image, flow = random_case(2, motion=4.0)
    weights = np.random.default_rng(3).normal(size=image.shape).astype(np.float32)
    ours = jax.grad(lambda i, f: jnp.sum(weights * warp(i, f)), argnums=(0, 1))(
        jnp.asarray(image), jnp.asarray(flow)
    )
    tensors = [torch_networks.to_nchw(x).requires_grad_() for x in (image, flow)]
    result = torch_networks.backward_warp(*tensors)
    torch.sum(torch_networks.to_nchw(weights) * result).backward()
    for mine, tensor in zip(ours, tensors, strict=True):
        theirs = torch_networks.to_nhwc(tensor.grad)
        np.testing.assert_allclose(mine, theirs, atol=2e-3)
        assert np.abs(theirs).max() > 1


@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES))
def test_zero_flow_is_the_identity(seed, size):
    image, flow = random_case(seed, 1, *size)
    np.testing.assert_array_equal(jitted_warp(image, np.zeros_like(flow)), image)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(SIZES),
    st.integers(-12, 12),
    st.integers(-12, 12),
)
def test_whole_pixels_move_the_image_and_repeat_its_border(seed, size, dx, dy):
    height, width = size
    image, flow = random_case(seed, 1, height, width)
    flow[:] = dx, dy
    rows = np.clip(np.arange(height) + dy, 0, height - 1)
    columns = np.clip(np.arange(width) + dx, 0, width - 1)
    np.testing.assert_array_equal(jitted_warp(image, flow), image[:, rows[:, None], columns])


def test_jit_gives_the_eager_result():
    image, flow = random_case(4)
    eager = warp(jnp.asarray(image), jnp.asarray(flow))
    np.testing.assert_allclose(jax.jit(warp)(image, flow), eager, atol=1e-6)


def test_half_precision_flow_finds_its_pixel_in_a_wide_image():
    image = jnp.arange(3000, dtype=jnp.float32).reshape(1, 1, 3000, 1)
    flow = jnp.zeros((1, 1, 3000, 2), jnp.bfloat16).at[..., 0].set(2)
    result = warp(image, flow)[0, 0, :, 0]
    np.testing.assert_array_equal(result[:-2], np.arange(2, 3000))


def test_keeps_the_images_type():
    image = jnp.ones((1, 4, 4, 3), jnp.bfloat16)
    assert warp(image, jnp.zeros((1, 4, 4, 2))).dtype == jnp.bfloat16


@pytest.mark.parametrize("flow", [(1, 4, 5, 3), (1, 5, 4, 2), (2, 4, 5, 2), (4, 5, 2)])
def test_a_flow_of_another_shape_is_rejected(flow, without_shape_checks):
    with pytest.raises(ValueError, match=r"flow: expected shape \(1, 4, 5, 2\), got"):
        warp(jnp.zeros((1, 4, 5, 3)), jnp.zeros(flow))
