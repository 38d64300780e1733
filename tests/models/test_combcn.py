"""CombCN against PyTorch layers written from the paper's tables, and what it promises by itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.models.build import variable_shapes
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.models.video_layers import Layer
from gif2video_jax.ops.line_fill import fill_along_lines
from tests import oracles
from tests.quick import quick_jit
from tests.random_variables import random_variables

SMALL = {"base_channels": 4, "volume_channels": 2}


def video_and_mask(module, seed=0, num_frames=4, side=32):
    rng = np.random.default_rng(seed)
    video = jnp.asarray(rng.uniform(-1, 1, (1, num_frames, side, side, 3)), jnp.float32)
    mask = jnp.zeros((1, num_frames, side, side, 1)).at[:, :, 8:21, 5:18].set(1)
    return video, mask


@functools.partial(quick_jit, static_argnames=("module", "method"))
def complete(module, variables, video, mask, **arguments):
    return module.apply(variables, video, mask, **arguments)


def test_the_2d_network_has_the_papers_parameters():
    """Kernels from the paper's table, skips concatenated as in figure 2: 8.66 M."""
    # kernel, inputs (with the skip's), outputs
    layers = [
        (5, 4, 64), (3, 64, 128), (3, 128, 128), (3, 128, 256), (3, 256, 256), (3, 256, 256),
        (3, 256, 256), (3, 256, 256), (3, 256, 256), (3, 512, 256), (3, 512, 256), (3, 512, 256),
        (4, 512, 128), (3, 256, 128), (4, 256, 64), (3, 128, 32),
    ]  # fmt: skip
    expected = sum(k * k * i * o + 2 * o for k, i, o in layers) + 9 * 32 * 3 + 3
    shapes = variable_shapes(CombCN(guidance=False))["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == expected
    assert round(expected / 1e6, 2) == 8.66
    guided = variable_shapes(CombCN())["params"]["frame"]
    guidance = 2 * (27 * 128 + 128)
    assert sum(leaf.size for leaf in jax.tree.leaves(guided)) == expected + guidance


def test_the_3dcn_has_the_parameters_of_its_table():
    layers = [
        (5, 5, 4, 16), (3, 3, 16, 32), (3, 3, 32, 64), (3, 3, 64, 128), (3, 3, 128, 256),
        (3, 3, 256, 256), (3, 3, 256, 256), (3, 3, 256, 128), (3, 4, 256, 64), (3, 3, 128, 32),
        (3, 4, 64, 16),
    ]  # fmt: skip
    expected = sum(t * k * k * i * o + 2 * o for t, k, i, o in layers) + 27 * 16 * 3 + 3
    shapes = variable_shapes(CombCN())["params"]["volume"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == expected


@pytest.mark.parametrize(
    "fields",
    [{}, {"ratio": 4}, {"stride_time": True}, {"guidance": False}],
    ids=["paper", "ratio4", "stride_time", "2d"],
)
def test_outputs_and_a_gradient_are_pytorchs(fields):
    """The networks rebuilt of PyTorch's Conv3d, ConvTranspose3d and BatchNorm3d."""
    oracles.require_module("torch")
    from tests import torch_combcn

    module = CombCN(**SMALL, **fields)
    variables = random_variables(module, 1)
    video, mask = video_and_mask(module)
    theirs = torch_combcn.complete(
        variables,
        np.asarray(video),
        np.asarray(mask),
        ratio=module.ratio,
        stride_time=module.stride_time,
    )
    assert theirs.kernel_gradient is not None

    def loss(kernel):
        changed = jax.tree.map(lambda x: x, variables)
        changed["params"]["frame"]["layer_13"]["kernel"] = kernel
        result = module.apply(changed, video, mask)
        return jnp.sum(jnp.abs(result.frames - video) * mask) / jnp.sum(mask), result

    kernel = variables["params"]["frame"]["layer_13"]["kernel"]
    (_, ours), gradient = quick_jit(jax.value_and_grad(loss, has_aux=True))(kernel)
    np.testing.assert_allclose(ours.frames, theirs.frames, rtol=1e-3, atol=2e-4)
    scale = np.abs(theirs.kernel_gradient).max()
    np.testing.assert_allclose(gradient, theirs.kernel_gradient, atol=2e-3 * scale)
    if module.guidance:
        np.testing.assert_allclose(ours.volume, theirs.volume, rtol=1e-3, atol=2e-4)
    else:
        assert ours.volume is None


@pytest.mark.parametrize("fill", ["video", pytest.param("motion", marks=pytest.mark.long)])
def test_what_a_hole_holds_does_not_matter(fill):
    module = CombCN(**SMALL, fill=fill, norm="none", composition="residual")
    variables = random_variables(module, 2)
    video, mask = video_and_mask(module)
    mask = mask.at[:, 1].set(0).at[:, 1, 3:9].set(1)  # it moves
    first = complete(module, variables, video, mask)
    second = complete(module, variables, video * (1 - mask) + 0.7 * mask, mask)
    np.testing.assert_allclose(first.frames, second.frames, atol=1e-5)


def test_lines_fill_each_frame_by_itself():
    module = CombCN(**SMALL, fill="lines", norm="none", composition="residual")
    video, mask = video_and_mask(module)
    mask = mask.at[:, 1].set(jnp.flip(mask[:, 1], axis=-3))
    filled = quick_jit(module.fill_holes)(video, mask)
    for clip, number in ((0, 1), (0, 0)):
        frame, known = video[clip, number][None], 1 - mask[clip, number][None]
        alone = fill_along_lines(frame, known)
        np.testing.assert_allclose(filled[clip, number, ..., :3], alone[0], atol=1e-5)
    np.testing.assert_array_equal(filled[..., 3:], 1 - mask)


def test_a_residual_network_whose_heads_are_zero_gives_its_fill():
    module = CombCN(**SMALL, fill="video", norm="none", composition="residual")
    variables = random_variables(module, 3)
    for network, head in (("volume", "layer_12"), ("frame", "layer_17")):
        variables["params"][network][head] = jax.tree.map(
            jnp.zeros_like, variables["params"][network][head]
        )
    still, mask = video_and_mask(module)
    still = jnp.broadcast_to(still[:, :1], still.shape)
    mask = mask.at[:, 2].set(jnp.flip(mask[:, 2], axis=-3))
    # What other frames of a still video show is what the hole holds: nothing is left to guess
    # but what is hidden in all of them.
    hidden = mask.min(axis=1, keepdims=True)
    result = complete(module, variables, still * (1 - mask), mask)
    np.testing.assert_allclose(result.frames * (1 - hidden), still * (1 - hidden), atol=1e-5)


def test_chosen_frames_are_those_of_all():
    module = CombCN(**SMALL, norm="none", negative_slope=0.1, residual_layers=True)
    variables = random_variables(module, 4)
    video, mask = video_and_mask(module)
    chosen = jnp.array([0, 2])
    every = complete(module, variables, video, mask)
    some = complete(module, variables, video, mask, frames=chosen)
    np.testing.assert_allclose(some.frames, every.frames[:, [0, 2]], atol=1e-5)
    np.testing.assert_array_equal(some.volume, every.volume)
    alone = complete(module, variables, video, mask, method="complete_volume")
    np.testing.assert_allclose(alone.volume, every.volume, atol=1e-6)


def test_guidance_passes_what_other_frames_show():
    """A frame's result depends on the next frame with guidance, and without not."""
    for guidance in (True, False):
        module = CombCN(**SMALL, guidance=guidance, norm="none")
        variables = random_variables(module, 5)
        video, mask = video_and_mask(module, num_frames=2)
        other = video.at[:, 1].multiply(-1)
        results = [complete(module, variables, x, mask).frames[:, 0] for x in (video, other)]
        differs = not np.allclose(*results, atol=1e-6)
        assert differs == guidance


def test_half_precision_gives_float32_close_by():
    video, mask = video_and_mask(None)
    results = []
    for dtype in (None, "bfloat16"):
        module = CombCN(**SMALL, norm="none", dtype=dtype)
        results.append(complete(module, random_variables(module, 6), video, mask).frames)
    assert results[1].dtype == jnp.float32
    np.testing.assert_allclose(*results, atol=0.1 * np.abs(results[0]).max())


def test_a_strided_layer_sees_the_frames_it_should():
    """Closed form: a kernel that is 1 at one place in time picks frames."""
    video = jnp.arange(1.0, 5.0).reshape(1, 4, 1, 1, 1)

    def picked(step, **fields):
        layer = Layer(1, fields.pop("kernel_size", 1), negative_slope=1.0, **fields)
        shapes = jax.eval_shape(layer.init, jax.random.key(0), [video])
        kernel = jnp.zeros(shapes["params"]["kernel"].shape).at[step].set(1)
        variables = {"params": {"kernel": kernel, "bias": jnp.zeros(1)}}
        return np.asarray(layer.apply(variables, [video]))[0, :, 0, 0, 0].tolist()

    assert picked(0, time_kernel=3) == [0, 1, 2, 3]
    assert picked(2, time_kernel=3) == [2, 3, 4, 0]
    assert picked(1, time_kernel=3, time_stride=2) == [1, 3]
    assert picked(2, time_kernel=3, time_stride=2) == [2, 4]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ratio": 3}, "ratio: expected 2 or 4, got 3"),
        ({"fill": "grey"}, "fill: expected one of mean, smooth, lines, video, motion, got 'grey'"),
        ({"norm": "layer"}, "norm: expected one of batch, none"),
        ({"composition": "sum"}, "composition: expected one of direct, residual"),
        ({"dilations": (1, 2)}, "dilations: expected 4 whole numbers of 1 or more, got .1, 2."),
        ({"volume_dilations": (0, 2, 4)}, "volume_dilations: expected 3 whole numbers"),
        ({"base_channels": 1}, "base_channels and volume_channels: expected at least 2 and 1"),
    ],
)
def test_fields_that_are_not_to_be_had_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        CombCN(**fields)


def test_sizes_that_do_not_fit_are_named(without_shape_checks):
    module = CombCN(**SMALL, stride_time=True)
    variables = variable_shapes(module)
    mask = jnp.zeros((1, 4, 24, 20, 1))
    with pytest.raises(ValueError, match="of 8 pixels a side, got 4 frames of 24 x 20; pad it"):
        module.apply(variables, jnp.zeros((1, 4, 24, 20, 3)), mask)
    with pytest.raises(ValueError, match="a multiple of 4 frames"):
        module.apply(variables, jnp.zeros((1, 3, 16, 16, 3)), jnp.zeros((1, 3, 16, 16, 1)))
    with pytest.raises(ValueError, match=r"mask: expected shape \(1, 4, 16, 16, 1\)"):
        module.apply(variables, jnp.zeros((1, 4, 16, 16, 3)), mask)
    with pytest.raises(ValueError, match="no 3DCN without"):
        CombCN(guidance=False).apply(
            variables, jnp.zeros((1, 1, 8, 8, 3)), mask, method="complete_volume"
        )
