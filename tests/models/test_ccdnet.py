"""CCDNet-1 and CCDNet-k against the same networks in PyTorch (tests/torch_networks.py)."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.models.ccdnet import CCDNet, CCDNet1
from gif2video_jax.models.unet import UNet
from gif2video_jax.ops.palette import nearest_color, nearest_index
from gif2video_jax.torch_import import import_torch
from tests import oracles
from tests.random_variables import random_variables

SIZES = [(16, 16), (37, 53), (48, 33)]
SMALL = {"stage_channels": (4, 8), "up_channels": (4,), "kernel_sizes": (3, 3)}


@pytest.fixture(scope="module")
def torch_networks():
    oracles.require_module("torch")
    from tests import torch_networks

    return torch_networks


def random_images(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def random_palettes(seed, n):
    return np.random.default_rng(seed).integers(0, 256, (n, 256, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def small_base(torch_networks, tmp_path_factory):
    """A narrow CCDNet-1 in PyTorch, and ours with its weights."""
    theirs = torch_networks.randomize(torch_networks.ColourUNet(ch=8), seed=0)
    path = torch_networks.save(tmp_path_factory.mktemp("base") / "base.pt", theirs)
    return theirs, import_torch(path), path


@pytest.mark.parametrize("size", SIZES)
def test_ccdnet1_is_pytorchs(small_base, torch_networks, size):
    theirs, (module, variables), _ = small_base
    gif = random_images(1, 2, *size, 3)
    expected = torch_networks.ccdnet1(theirs, torch_networks.to_nchw(gif))
    result = jax.jit(module.apply)(variables, gif)
    np.testing.assert_allclose(result, torch_networks.to_nhwc(expected), atol=1e-4)
    assert np.std(result) > 0.1, "a comparison of nothing"


def test_the_papers_ccdnet1_is_pytorchs(torch_networks, tmp_path):
    theirs = torch_networks.randomize(torch_networks.ColourUNet(), seed=2)
    assert sum(p.numel() for p in theirs.parameters()) == 14_789_059
    module, variables = import_torch(torch_networks.save(tmp_path / "base.pt", theirs))
    assert module == CCDNet1(unet=module.unet)
    assert UNet(out_channels=3, **module.unet) == UNet(out_channels=3)
    gif = random_images(3, 1, 37, 53, 3)
    expected = torch_networks.ccdnet1(theirs, torch_networks.to_nchw(gif))
    result = jax.jit(module.apply)(variables, gif)
    np.testing.assert_allclose(result, torch_networks.to_nhwc(expected), atol=1e-4)


def test_training_mode_is_pytorchs(small_base, torch_networks):
    theirs, (module, variables), _ = small_base
    theirs = copy.deepcopy(theirs).train()
    gif = random_images(4, 3, 37, 53, 3)
    expected = torch_networks.ccdnet1(theirs, torch_networks.to_nchw(gif))
    result, updated = jax.jit(lambda v: module.apply(v, gif, train=True, mutable=["batch_stats"]))(
        variables
    )
    after = theirs.state_dict()
    np.testing.assert_allclose(result, torch_networks.to_nhwc(expected), atol=1e-4)
    stem = updated["batch_stats"]["unet"]["stem"]["norm_0"]
    np.testing.assert_allclose(stem["mean"], after["inconv.1.running_mean"], atol=1e-5)
    # PyTorch keeps the variance of a sample (n - 1), Flax that of the batch (n): the difference is
    # one part in 3 * 37 * 53 of the tenth that a batch adds.
    np.testing.assert_allclose(stem["var"], after["inconv.1.running_var"], rtol=1e-4)
    bottom = updated["batch_stats"]["unet"]["down_4"]["norm_1"]
    np.testing.assert_allclose(bottom["var"], after["downconv4.1.4.running_var"], rtol=1e-2)


def assert_same_gradients(ours, theirs, tolerance=2e-3):
    """Compares trees, relative to each array's largest value."""
    ours, theirs = (dict(jax.tree_util.tree_leaves_with_path(tree)) for tree in (ours, theirs))
    assert ours.keys() == theirs.keys()
    for path, gradient in ours.items():
        expected = np.asarray(theirs[path])
        scale = np.abs(expected).max()
        assert scale > 0, path
        np.testing.assert_allclose(
            gradient, expected, atol=tolerance * scale, err_msg=jax.tree_util.keystr(path)
        )


def test_gradients_are_pytorchs(small_base, torch_networks, tmp_path):
    theirs, (module, variables), _ = small_base
    gif, target = random_images(5, 2, 37, 53, 3), random_images(6, 2, 37, 53, 3)

    def loss(params, gif):
        result = module.apply({**variables, "params": params}, gif)
        return jnp.mean(jnp.square(result - target))

    by_params, by_gif = jax.jit(jax.grad(loss, argnums=(0, 1)))(variables["params"], gif)
    their_gif = torch_networks.to_nchw(gif).requires_grad_()
    theirs.zero_grad()
    result = torch_networks.ccdnet1(theirs, their_gif)
    (result - torch_networks.to_nchw(target)).square().mean().backward()
    expected = torch_networks.to_nhwc(their_gif.grad)
    np.testing.assert_allclose(by_gif, expected, atol=2e-3 * np.abs(expected).max())
    # The importer brings the gradients into our names and axes like the weights themselves.
    gradients = torch_networks.save(tmp_path / "g.pt", torch_networks.gradients(theirs))
    assert_same_gradients(by_params, import_torch(gradients)[1]["params"])


@pytest.mark.parametrize(("channels", "size"), [(6, (37, 53)), (12, (37, 53)), (12, (16, 16))])
def test_ccdnet2_is_pytorchs(small_base, torch_networks, tmp_path, channels, size):
    base, _, base_path = small_base
    second = torch_networks.randomize(torch_networks.ColourUNet(channels, ch=8), seed=7)
    second_path = torch_networks.save(tmp_path / "second.pt", second)
    module, variables = import_torch(base=base_path, second=second_path)
    assert isinstance(module, CCDNet)
    assert module.requantize == (channels == 12) and module.unroll == 1

    gif, palettes, num_colors = random_images(8, 2, *size, 3), random_palettes(9, 2), [32, 200]
    arguments = (palettes, np.array(num_colors)) if channels == 12 else ()
    result = jax.jit(module.apply)(variables, gif, *arguments)

    first = torch_networks.ccdnet1(base, torch_networks.to_nchw(gif))
    requantized = None
    if channels == 12:
        requantized = our_requantized(module, variables, gif, palettes, num_colors)
        assert_same_indices_apart_from_ties(
            torch_networks, first, requantized, palettes, num_colors
        )
        requantized = torch_networks.to_nchw(requantized)
    expected = torch_networks.ccdnet2_step(second, first, torch_networks.to_nchw(gif), requantized)
    np.testing.assert_allclose(result, torch_networks.to_nhwc(expected), atol=1e-4)


def our_requantized(module, variables, gif, palettes, num_colors):
    """f_C of our own first result, so that both networks see the same colours."""
    base = {name: tree["base"] for name, tree in variables.items()}
    image = jax.jit(CCDNet1(module.unet).apply)(base, gif)
    return nearest_color(image, jnp.asarray(palettes), jnp.asarray(num_colors))


def assert_same_indices_apart_from_ties(torch_networks, image, requantized, palettes, num_colors):
    import torch

    colors, _, two_nearest = torch_networks.nearest_color(
        image, torch.from_numpy(palettes), num_colors
    )
    differs = (np.abs(torch_networks.to_nhwc(colors) - requantized) > 1e-6).any(-1)
    gap = (two_nearest[..., 1] - two_nearest[..., 0]).numpy()
    assert differs.mean() < 0.01
    assert np.all(gap[differs] < 1e-4), "other colours where there is no tie"


@pytest.fixture(scope="module")
def unrolled():
    """A CCDNet-k of ours, and random inputs."""
    module = CCDNet(unet=SMALL, unroll=2)
    arguments = (
        jnp.asarray(random_images(10, 1, 16, 24, 3)),
        jnp.asarray(random_palettes(11, 1)),
        jnp.array([32]),
    )
    return module, random_variables(module, 12), arguments


def test_each_step_starts_from_the_one_before(unrolled):
    module, variables, arguments = unrolled
    both = jax.jit(module.apply)(variables, *arguments)
    one = jax.jit(CCDNet(unet=SMALL, unroll=1).apply)(variables, *arguments)
    assert len(both) == 2 and len(one) == 1
    np.testing.assert_allclose(both[0], one[0], atol=1e-6)
    gif, palette, num_colors = arguments
    requantized = nearest_color(both[0], palette, num_colors)
    second = {name: tree["second"] for name, tree in variables.items()}
    inputs = jnp.concatenate([both[0], gif, requantized, gif - requantized], axis=-1)
    step = jax.jit(UNet(out_channels=3, **SMALL).apply)(second, inputs)
    np.testing.assert_allclose(both[1], jnp.tanh(both[0] + step), atol=1e-5)


def test_last_only_gives_the_last_result(unrolled):
    module, variables, arguments = unrolled
    last = jax.jit(CCDNet(unet=SMALL, unroll=2, last_only=True).apply)(variables, *arguments)
    np.testing.assert_allclose(last, jax.jit(module.apply)(variables, *arguments)[-1], atol=1e-6)


def test_the_first_network_is_frozen(unrolled):
    module, variables, arguments = unrolled

    def loss(params):
        results, updated = module.apply(
            {**variables, "params": params}, *arguments, train=True, mutable=["batch_stats"]
        )
        return sum(jnp.mean(jnp.square(result)) for result in results), updated["batch_stats"]

    gradients, statistics = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradients["base"]))
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradients["second"]["head"]))
    before = variables["batch_stats"]
    for old, new in zip(*map(jax.tree.leaves, (before["base"], statistics["base"])), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.any(
        before["second"]["stem"]["norm_0"]["mean"] != statistics["second"]["stem"]["norm_0"]["mean"]
    )


def test_a_residual_network_with_a_zero_head_starts_as_the_identity():
    unet = {"stage_channels": (4,), "up_channels": (), "kernel_sizes": (3,)}
    unet |= {"zero_head": True, "norm": "none"}
    module = CCDNet1(unet=unet, composition="residual")
    gif = jnp.asarray(random_images(12, 1, 17, 30, 3))
    variables = jax.jit(module.init)(jax.random.key(0), gif)
    np.testing.assert_array_equal(jax.jit(module.apply)(variables, gif), gif)


def test_geometry_that_the_network_does_not_expect_is_rejected(without_shape_checks):
    gif = jnp.zeros((1, 16, 16, 3))
    message = r"geometry: expected shape \(1, 16, 16, {}\), got \(1, 16, 16, {}\)"
    with pytest.raises(ValueError, match=message.format(12, 0)):
        CCDNet1(unet=SMALL, geometry_channels=12).init(jax.random.key(0), gif)
    with pytest.raises(ValueError, match=message.format(0, 12)):
        CCDNet1(unet=SMALL).init(jax.random.key(0), gif, jnp.zeros((1, 16, 16, 12)))


def test_impossible_settings_are_rejected():
    with pytest.raises(ValueError, match="composition: expected one of tanh, residual, got 'sum'"):
        CCDNet1(unet=SMALL, composition="sum")
    with pytest.raises(ValueError, match="unroll: expected 1 or more, got 0"):
        CCDNet(unet=SMALL, unroll=0)
    with pytest.raises(ValueError, match="palette and num_colors: needed with requantize=True"):
        CCDNet(unet=SMALL).init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))


def test_eager_is_jitted(unrolled):
    module, variables, arguments = unrolled
    eager = module.apply(variables, *arguments)
    jitted = jax.jit(module.apply)(variables, *arguments)
    for one, other in zip(eager, jitted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_indices_do_not_depend_on_jit(unrolled):
    _, _, (gif, palette, num_colors) = unrolled
    np.testing.assert_array_equal(
        nearest_index(gif, palette, num_colors), jax.jit(nearest_index)(gif, palette, num_colors)
    )
