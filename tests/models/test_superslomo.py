"""SuperSlomo against the same network in PyTorch (tests/torch_networks.py) and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from gif2video_jax.models.build import variable_shapes
from gif2video_jax.models.superslomo import FLOW_UNET, SuperSlomo, flows_at, fuse
from gif2video_jax.models.unet import UNet
from gif2video_jax.ops.candidate_motion import (
    NUM_CANDIDATES,
    candidate_motions,
    log_likelihood,
    mismatches,
)
from gif2video_jax.ops.optical_flow import pyramid_flow
from gif2video_jax.torch_import import import_torch
from tests import oracles
from tests.quick import quick_jit
from tests.random_variables import random_variables

SMALL = {
    "stage_channels": (4, 8),
    "up_channels": (4,),
    "kernel_sizes": (3, 3),
    "norm": "none",
    "upsampling": "bilinear",
}


@pytest.fixture(scope="module")
def torch_networks():
    oracles.require_module("torch")
    from tests import torch_networks

    return torch_networks


candidates, mismatch = quick_jit(candidate_motions), quick_jit(mismatches)


applied = {}


def interpolate(module, variables, *arrays):
    """What `module.apply` gives, compiled once for each module and size."""
    apply = applied.setdefault(repr(module), quick_jit(module.apply))
    return apply(variables, *arrays)


def random_frames(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture(scope="module")
def narrow(torch_networks, tmp_path_factory):
    """A narrow SuperSlomo in PyTorch, and ours with its weights."""
    theirs = torch_networks.randomize(torch_networks.SuperSlomo(ch=4), seed=0)
    path = torch_networks.save(tmp_path_factory.mktemp("flow") / "flow.pt", theirs)
    return theirs, *import_torch(path)


@pytest.mark.parametrize(("mode", "size"), [("joint", (37, 53)), ("sequential", (32, 32))])
def test_is_pytorchs_at_every_time(narrow, torch_networks, mode, size):
    theirs, module, variables = narrow
    # Smooth, so that a rounding error of a flow stays one of the frame.
    frames = [
        uniform_filter(random_frames(seed, 2, *size, 3), (0, 5, 5, 0))
        for seed in range(4 if mode == "joint" else 2)
    ]
    times = np.array([[0.0, 0.125, 0.5, 1.0], [0.25, 0.75, 0.9, 0.5]], np.float32)
    ours = interpolate(module, variables, *frames[:2], times, *frames[2:])
    image_0, image_1, *gifs = [torch_networks.to_nchw(frame) for frame in frames]
    for n in range(2):
        for i, t in enumerate(times[n]):
            frame, f_01, f_10 = theirs(
                image_0[n : n + 1],
                image_1[n : n + 1],
                float(t),
                *(gif[n : n + 1] for gif in gifs),
            )
            frame, f_01, f_10 = map(torch_networks.to_nhwc, (frame, f_01, f_10))
            # Flows are up to 30 pixels: 1e-4 of that.
            np.testing.assert_allclose(ours.flow_01[n], f_01[0], atol=3e-3)
            np.testing.assert_allclose(ours.flow_10[n], f_10[0], atol=3e-3)
            np.testing.assert_allclose(ours.frames[n, i], frame[0], atol=2e-3)
            assert np.abs(ours.frames[n, i] - frame[0]).mean() < 1e-4
    assert np.abs(ours.flow_01).std() > 1, "hardly any motion to compare"


def test_the_papers_network_is_pytorchs(torch_networks, tmp_path):
    theirs = torch_networks.randomize(torch_networks.SuperSlomo(), seed=1)
    assert sum(p.numel() for p in theirs.parameters()) == 39_601_831
    module, variables = import_torch(interpolator=torch_networks.save(tmp_path / "flow.pt", theirs))
    assert UNet(out_channels=2, **module.unet) == UNet(out_channels=2, **FLOW_UNET)
    y, x = np.mgrid[:37, :53] / 20
    smooth = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)[None].astype(np.float32)
    moved = np.roll(smooth, 2, axis=2)
    ours = interpolate(module, variables, smooth, moved, np.array([[0.375]], np.float32))
    frame, *_ = theirs(torch_networks.to_nchw(smooth), torch_networks.to_nchw(moved), 0.375)
    np.testing.assert_allclose(ours.frames[:, 0], torch_networks.to_nhwc(frame), atol=1e-4)


def test_gradients_are_pytorchs(narrow, torch_networks, tmp_path):
    theirs, module, variables = narrow
    y, x = np.mgrid[:37, :53] / 20
    frame_0 = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)[None].astype(np.float32)
    frame_1 = np.roll(frame_0, 2, axis=2)
    target = random_frames(5, *frame_0.shape)
    times = jnp.array([[0.3]])

    def loss(params, frame_0):
        frames = module.apply({"params": params}, frame_0, frame_1, times).frames
        return jnp.mean(jnp.square(frames[:, 0] - target))

    by_params, by_frame = quick_jit(jax.grad(loss, argnums=(0, 1)))(variables["params"], frame_0)
    their_frame = torch_networks.to_nchw(frame_0).requires_grad_()
    theirs.zero_grad()
    frame, *_ = theirs(their_frame, torch_networks.to_nchw(frame_1), 0.3)
    (frame - torch_networks.to_nchw(target)).square().mean().backward()
    expected = torch_networks.to_nhwc(their_frame.grad)
    np.testing.assert_allclose(by_frame, expected, atol=5e-3 * np.abs(expected).max())
    path = torch_networks.save(tmp_path / "g.pt", torch_networks.gradients(theirs))
    _, gradients = import_torch(path)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients["params"]):
        ours = by_params
        for key in path:
            ours = ours[key.key]
        scale = np.abs(gradient).max()
        assert scale > 0
        np.testing.assert_allclose(
            ours, gradient, atol=5e-3 * scale, err_msg=jax.tree_util.keystr(path)
        )


@pytest.fixture(scope="module")
def small():
    """A small network of ours with half-pixel upsampling, and two frames."""
    module = SuperSlomo(unet=SMALL, max_flow=4.0)
    return module, random_variables(module, 2), random_frames(3, 2, 2, 20, 28, 3)


def test_several_times_in_one_call_are_one_at_a_time(small):
    module, variables, (frame_0, frame_1) = small
    times = jnp.array([[0.1, 0.5, 0.8], [0.9, 0.2, 0.4]])
    together = interpolate(module, variables, frame_0, frame_1, times)
    for i in range(3):
        alone = interpolate(module, variables, frame_0, frame_1, times[:, i : i + 1])
        np.testing.assert_allclose(together.frames[:, i], alone.frames[:, 0], atol=1e-5)


def test_the_flow_net_runs_once_however_many_times_there_are(small, monkeypatch):
    module, variables, (frame_0, frame_1) = small
    calls = []
    original = UNet.__call__

    def counting(self, *args, **kwargs):
        calls.append(self.name)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(UNet, "__call__", counting)
    jax.eval_shape(module.apply, variables, frame_0, frame_1, jnp.zeros((2, 7)))
    assert calls == ["flow", "refine"]


@pytest.mark.long
def test_eager_is_jitted(small):
    module, variables, (frame_0, frame_1) = small
    times = jnp.array([[0.25], [0.5]])
    arrays = jnp.asarray(frame_0), jnp.asarray(frame_1), times
    eager = module.apply(variables, *arrays)
    jitted = interpolate(module, variables, *arrays)
    for one, other in zip(jax.tree.leaves(eager), jax.tree.leaves(jitted), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_known_flows_give_the_frames_of_a_whole_call(small):
    module, variables, (frame_0, frame_1) = small
    times = jnp.array([[0.25], [0.5]])
    whole = interpolate(module, variables, frame_0, frame_1, times)

    @quick_jit
    def in_steps(variables, frame_0, frame_1):
        flows = module.apply(variables, frame_0, frame_1, method="flows")
        return module.apply(variables, frame_0, frame_1, *flows, times, method="between")

    np.testing.assert_allclose(
        in_steps(variables, frame_0, frame_1).frames, whole.frames, atol=1e-5
    )


def test_straight_motion_is_shared_out_by_time():
    # The same motion seen from both sides, F10 = -F01: at time t the way to frame 0 is -t of it,
    # the way to frame 1 the rest.
    flow = jnp.full((1, 2, 3, 2), 8.0)
    for t in (0.0, 0.25, 0.5, 1.0):
        flow_t0, flow_t1 = flows_at(flow, -flow, jnp.full((1, 1, 1, 1), t))
        np.testing.assert_allclose(flow_t0, -8 * t * jnp.ones_like(flow), atol=1e-6)
        np.testing.assert_allclose(flow_t1, 8 * (1 - t) * jnp.ones_like(flow), atol=1e-6)


def test_fusion_weighs_by_time_and_visibility():
    one, two = jnp.full((1, 1, 1, 3), 1.0), jnp.full((1, 1, 1, 3), 2.0)

    def fused(visibility, t):
        return float(
            fuse(one, two, jnp.full((1, 1, 1, 1), visibility), jnp.full((1, 1, 1, 1), t))[
                0, 0, 0, 0
            ]
        )

    assert fused(0.5, 0.25) == pytest.approx(1.25)
    assert fused(1.0, 0.5) == pytest.approx(1.0) and fused(0.0, 0.5) == pytest.approx(2.0)
    assert fused(0.5, 0.0) == pytest.approx(1.0) and fused(0.5, 1.0) == pytest.approx(2.0)


@pytest.fixture(scope="module")
def choosing():
    """A small network of ours that chooses among motions, and two frames."""
    module = SuperSlomo(
        unet=SMALL,
        refine_unet=SMALL | {"stage_channels": (5, 6), "up_channels": (5,)},
        max_flow=4.0,
        choose_motion="network",
        difference_gain=2.0,
    )
    return module, random_variables(module, 2), random_frames(3, 2, 2, 21, 28, 3)


def test_an_untrained_choice_is_by_likelihood(choosing):
    module, variables, (frame_0, frame_1) = choosing
    head = jax.tree.map(jnp.zeros_like, variables["params"]["refine"]["head"])
    refine = {**variables["params"]["refine"], "head": head}
    variables = {"params": {**variables["params"], "refine": refine}}
    found = interpolate(module, variables, frame_0, frame_1, jnp.full((2, 1), 0.25))
    t = jnp.full((2, 1, 1, 1), 0.25)
    motions = candidates(found.flow_01, found.flow_10, t)
    differences = mismatch(jnp.array(frame_0), jnp.array(frame_1), motions, t)
    likelihood = np.exp(log_likelihood(differences, t))
    motion = np.einsum("nhwk,knhwc->nhwc", likelihood, np.stack(motions))
    motion /= likelihood.sum(-1, keepdims=True)
    assert np.abs(motion).max() > 0.1
    np.testing.assert_allclose(found.flow_t0[:, 0], -0.25 * motion, atol=1e-5)
    np.testing.assert_allclose(found.flow_t1[:, 0], 0.75 * motion, atol=1e-5)
    np.testing.assert_allclose(found.visibility, 0.5)
    # Which is all that is done without a second network.
    alone = module.clone(choose_motion="likelihood")
    params = {"params": {"flow": variables["params"]["flow"]}}
    assert variable_shapes(alone)["params"].keys() == {"flow"}
    again = interpolate(alone, params, frame_0, frame_1, jnp.full((2, 1), 0.25))
    np.testing.assert_allclose(again.frames, found.frames, atol=1e-5)


def test_without_net_a_motion_is_what_the_pyramid_finds(choosing):
    _, _, (frame_0, frame_1) = choosing
    alone = SuperSlomo(unet=None, pyramid_iterations=2, choose_motion="likelihood")
    assert variable_shapes(alone) == {} and alone.multiple == 1
    times = jnp.full((2, 1), 0.25)
    found = interpolate(alone, {}, frame_0, frame_1, times)
    arrays = jnp.array(frame_0), jnp.array(frame_1)
    flow = quick_jit(pyramid_flow, static_argnums=2)
    np.testing.assert_allclose(found.flow_01, flow(*arrays, 2), atol=1e-4)
    np.testing.assert_allclose(found.flow_10, flow(*arrays[::-1], 2), atol=1e-4)
    # Which is what a net A that corrects nothing leaves it at.
    zero = alone.clone(unet=SMALL)
    variables = random_variables(zero, 3)
    head = jax.tree.map(jnp.zeros_like, variables["params"]["flow"]["head"])
    variables = {"params": {"flow": {**variables["params"]["flow"], "head": head}}}
    corrected = interpolate(zero, variables, frame_0, frame_1, times)
    np.testing.assert_allclose(corrected.frames, found.frames, atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "unet: without one expected pyramid_iterations of 1 or more"),
        ({"pyramid_iterations": 2}, "unet: without one expected a refine_unet, or choose_motion"),
    ],
)
def test_without_net_a_something_else_is_to_find_the_motion(fields, message):
    with pytest.raises(ValueError, match=message):
        SuperSlomo(unet=None, **fields)


def test_a_field_that_makes_no_sense_is_named():
    with pytest.raises(ValueError, match="choose_motion: expected one of '', 'likelihood'"):
        SuperSlomo(unet=SMALL, choose_motion="by chance")
    with pytest.raises(ValueError, match="agreeing_bands: expected 0 or more, got -1"):
        SuperSlomo(unet=SMALL, agreeing_bands=-1)


def test_the_choice_follows_the_logits(choosing):
    """A head whose bias prefers one candidate by far."""
    module, variables, (frame_0, frame_1) = choosing
    for candidate in range(NUM_CANDIDATES):
        head = jax.tree.map(jnp.zeros_like, variables["params"]["refine"]["head"])
        head["bias"] = head["bias"].at[candidate].set(500.0)
        refine = {**variables["params"]["refine"], "head": head}
        changed = {"params": {**variables["params"], "refine": refine}}
        found = interpolate(module, changed, frame_0, frame_1, jnp.full((2, 1), 0.5))
        motions = candidates(found.flow_01, found.flow_10, jnp.full((2, 1, 1, 1), 0.5))
        np.testing.assert_allclose(found.flow_t1[:, 0], 0.5 * motions[candidate], atol=1e-5)


def test_net_a_learns_nothing_through_the_choice_and_its_own_flows_do_teach_it(choosing):
    module, variables, (frame_0, frame_1) = choosing

    @functools.partial(quick_jit, static_argnames="name")
    @jax.grad
    def gradient_of(params, name):
        found = module.apply({"params": params}, frame_0, frame_1, jnp.full((2, 1), 0.5))
        return jnp.mean(jnp.square(getattr(found, name)))

    for name, teaches in (("frames", False), ("flow_01", True)):
        gradient = gradient_of(variables["params"], name)
        assert any(jnp.any(leaf) for leaf in jax.tree.leaves(gradient["flow"])) == teaches
        assert any(jnp.any(leaf) for leaf in jax.tree.leaves(gradient["refine"])) != teaches


def test_shapes_that_do_not_match_are_rejected(small, without_shape_checks):
    module, variables, _ = small
    frame = jnp.zeros((1, 16, 16, 3))
    with pytest.raises(ValueError, match=r"expected \(1, 16, 16, 3\) and \(1, t\), got"):
        module.apply(variables, frame, jnp.zeros((1, 16, 18, 3)), jnp.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"and \(1, t\), got \(1, 16, 16, 3\) and \(3, 1\)"):
        module.apply(variables, frame, frame, jnp.zeros((3, 1)))
