"""The PatchGAN discriminator against the same network in PyTorch (tests/torch_networks.py)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.models.discriminator import Discriminator, conditional_input
from gif2video_jax.torch_import import import_torch
from tests import oracles


@pytest.fixture(scope="module")
def torch_networks():
    oracles.require_module("torch")
    from tests import torch_networks

    return torch_networks


def random_images(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture(scope="module")
def pair(torch_networks, tmp_path_factory):
    """A narrow discriminator in PyTorch, and ours with its weights."""
    theirs = torch_networks.randomize(torch_networks.discriminator(ch=8), seed=0)
    path = tmp_path_factory.mktemp("d") / "d.pt"
    torch_networks.save(path, discriminator=theirs)
    return theirs, *import_torch(discriminator=path)


@pytest.mark.parametrize("size", [(32, 32), (37, 53), (64, 40)])
def test_logits_are_pytorchs(pair, torch_networks, size):
    theirs, module, variables = pair
    gif, image = random_images(1, 2, 2, *size, 3)
    expected = theirs(
        torch_networks.discriminator_input(*map(torch_networks.to_nchw, (gif, image)))
    )
    eager = module.apply(variables, jnp.asarray(gif), jnp.asarray(image))
    np.testing.assert_allclose(eager, torch_networks.to_nhwc(expected), atol=1e-4)
    np.testing.assert_allclose(jax.jit(module.apply)(variables, gif, image), eager, atol=1e-4)
    assert np.std(eager) > 0.1, "a comparison of nothing"


def test_the_papers_discriminator_is_pytorchs(torch_networks, tmp_path):
    theirs = torch_networks.randomize(torch_networks.discriminator(), seed=2)
    path = torch_networks.save(tmp_path / "d.pt", discriminator=theirs)
    module, variables = import_torch(discriminator=path)
    assert module == Discriminator()
    gif, image = random_images(3, 2, 1, 37, 53, 3)
    expected = theirs(
        torch_networks.discriminator_input(*map(torch_networks.to_nchw, (gif, image)))
    )
    ours = jax.jit(module.apply)(variables, gif, image)
    np.testing.assert_allclose(ours, torch_networks.to_nhwc(expected), atol=1e-4)


def test_judges_patches_of_256_pixels_on_a_30_by_30_grid():
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    module = Discriminator()
    logits, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image, image)
    assert logits.shape == (1, 30, 30, 1)


def test_training_mode_and_gradients_are_pytorchs(pair, torch_networks, tmp_path):
    theirs, module, variables = pair
    theirs.train()
    gif, image = random_images(4, 2, 2, 48, 56, 3)

    def loss(params, image):
        logits, updated = module.apply(
            {**variables, "params": params}, gif, image, train=True, mutable=["batch_stats"]
        )
        return jnp.mean(jnp.square(logits - 1)), updated["batch_stats"]

    (by_params, by_image), statistics = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(
        variables["params"], image
    )
    their_image = torch_networks.to_nchw(image).requires_grad_()
    theirs.zero_grad()
    logits = theirs(torch_networks.discriminator_input(torch_networks.to_nchw(gif), their_image))
    (logits - 1).square().mean().backward()
    expected = torch_networks.to_nhwc(their_image.grad)
    np.testing.assert_allclose(by_image, expected, atol=2e-3 * np.abs(expected).max())
    np.testing.assert_allclose(
        statistics["norm_1"]["mean"], theirs[3].running_mean.numpy(), atol=1e-5
    )
    path = tmp_path / "g.pt"
    torch_networks.save(path, discriminator=torch_networks.gradients(theirs))
    theirs.eval()
    gradients = import_torch(discriminator=path)[1]["params"]
    for name, layer in gradients.items():
        for leaf, gradient in layer.items():
            scale = np.abs(gradient).max()
            assert scale > 0
            np.testing.assert_allclose(by_params[name][leaf], gradient, atol=2e-3 * scale)


def test_input_is_the_pair_and_the_images_gradient_with_a_zero_border():
    gif = jnp.full((1, 3, 4, 3), 0.5)
    image = jnp.arange(36.0).reshape(1, 3, 4, 3)
    result = conditional_input(gif, image)
    assert result.shape == (1, 3, 4, 12)
    np.testing.assert_array_equal(result[..., :3], gif)
    np.testing.assert_array_equal(result[..., 3:6], image)
    assert not np.any(result[:, 0, :, 6:]) and not np.any(result[:, :, 0, 6:])
    np.testing.assert_array_equal(result[:, 1:, 1:, 6:9], jnp.full((1, 2, 3, 3), 3.0))
    np.testing.assert_array_equal(result[:, 1:, 1:, 9:], jnp.full((1, 2, 3, 3), 12.0))


def test_images_of_different_sizes_are_rejected(without_shape_checks):
    with pytest.raises(ValueError, match=r"expected the shape of gif, \(1, 8, 8, 3\), got"):
        conditional_input(jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 9, 3)))
