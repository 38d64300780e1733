"""LPIPS against the same written in PyTorch, with random weights, and as a term of a loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.benchmark import perceptual
from gif2video_jax.training.lpips import load_weights, lpips, weight_shapes
from gif2video_jax.training.tasks import make_task
from tests import oracles
from tests.quick import quick_jit
from tests.training.shrunk_configs import batch_of, shipped, shrunk, state_of

SHAPES = {
    "net.slice1.0": (64, 3, 11, 11),
    "net.slice2.3": (192, 64, 5, 5),
    "net.slice3.6": (384, 192, 3, 3),
    "net.slice4.8": (256, 384, 3, 3),
    "net.slice5.10": (256, 256, 3, 3),
}


def state_dict() -> dict[str, np.ndarray]:
    """Random weights under the names of the package `lpips`."""
    rng = np.random.default_rng(0)
    arrays = {}
    for number, (name, shape) in enumerate(SHAPES.items()):
        spread = np.sqrt(2 / np.prod(shape[1:]))
        arrays[f"{name}.weight"] = rng.normal(0, spread, shape).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(0, 0.1, shape[:1]).astype(np.float32)
        head = rng.uniform(0, 1, (1, shape[0], 1, 1)).astype(np.float32)
        arrays[f"lin{number}.model.1.weight"] = head
    return arrays


@pytest.fixture(scope="module")
def arrays():
    return state_dict()


@pytest.fixture(scope="module")
def path(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("lpips") / "alex.safetensors"
    safetensors.numpy.save_file(arrays, path)
    return path


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    truth = rng.uniform(-1, 1, (2, 39, 46, 3)).astype(np.float32)
    return np.clip(truth + rng.normal(0, 0.2, truth.shape), -1, 1).astype(np.float32), truth


def in_pytorch(torch, arrays, image, truth):
    """Of NHWC tensors; layer by layer as the paper's package has them."""
    functional = torch.nn.functional

    def features(x):
        x = x.permute(0, 3, 1, 2)
        x = x - torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1)
        x = x / torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1)
        for name, stride, padding in zip(SHAPES, (4, 1, 1, 1, 1), (2, 2, 1, 1, 1), strict=True):
            if name in ("net.slice2.3", "net.slice3.6"):
                x = functional.max_pool2d(x, 3, 2)
            kernel, bias = (torch.from_numpy(arrays[f"{name}.{p}"]) for p in ("weight", "bias"))
            x = functional.relu(functional.conv2d(x, kernel, bias, stride, padding))
            yield x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)

    total = 0
    for number, (one, other) in enumerate(zip(features(image), features(truth), strict=True)):
        head = torch.from_numpy(arrays[f"lin{number}.model.1.weight"])
        total += functional.conv2d((one - other).square(), head).mean((1, 2, 3))
    return total


def test_distance_and_gradient_are_pytorchs(arrays, path, images):
    torch = oracles.require_module("torch")
    image, truth = images
    tensor = torch.from_numpy(image).requires_grad_()
    wanted = in_pytorch(torch, arrays, tensor, torch.from_numpy(truth))
    wanted.sum().backward()
    weights = jax.tree.map(jnp.asarray, load_weights(path))

    def total(weights, image):
        distances = lpips(weights, image, jnp.asarray(truth))
        return jnp.sum(distances), distances

    gradient_of = jax.jit(jax.grad(total, argnums=1, has_aux=True))
    gradient, distances = gradient_of(weights, jnp.asarray(image))
    np.testing.assert_allclose(distances, wanted.detach().numpy(), rtol=1e-5)
    atol = 1e-4 * float(tensor.grad.abs().max())
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-3, atol=atol)
    # The same images have no distance but rounding's.
    _, distances = gradient_of(weights, jnp.asarray(truth))
    assert np.abs(distances).max() < 1e-12
    # Pixels without any features have no gradient; PyTorch's square root gives them NaN.
    nothing = jax.tree.map(jnp.zeros_like, weights)
    gradient, distances = gradient_of(nothing, jnp.asarray(image))
    assert np.all(np.asarray(distances) == 0) and np.all(np.asarray(gradient) == 0)


def test_files_of_pytorch_and_torchvisions_names_serve(arrays, path, tmp_path):
    torch = oracles.require_module("torch")
    renamed = {}
    for name, array in arrays.items():
        if name.startswith("net."):
            name = "features." + name.partition(".")[2].partition(".")[2]
        renamed[name] = torch.from_numpy(array)
    torch.save(renamed, tmp_path / "alex.pth")
    wanted, found = load_weights(path), load_weights(tmp_path / "alex.pth")
    assert {name: array.shape for name, array in found.items()} == weight_shapes()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    "name, array, message",
    [
        ("lin2.model.1.weight", None, "lacks lin2.model.1.weight; LPIPS needs AlexNet and"),
        ("net.slice1.0.weight", None, "lacks net.slice1.0.weight; LPIPS needs AlexNet and"),
        ("lin0.model.1.weight", np.zeros((1, 9, 1, 1), np.float32), "shape .1, 64, 1, 1., got f"),
        ("net.slice1.0.bias", np.zeros(64, np.int32), "slice1.0.bias: expected .* got int32"),
    ],
)
def test_a_file_of_something_else_is_named(arrays, tmp_path, name, array, message):
    changed = {n: a for n, a in arrays.items() if n != name}
    changed |= {} if array is None else {name: array}
    path = tmp_path / "alex.safetensors"
    safetensors.numpy.save_file(changed, path)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_broken_is_named(tmp_path):
    for name in ("alex.safetensors", "alex.pth"):
        with pytest.raises(InputError, match=f"{name}: no such file"):
            load_weights(tmp_path / name)
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(InputError, match=name):
            load_weights(tmp_path / name)


def test_small_images_are_refused(path, images):
    weights = jax.tree.map(jnp.asarray, load_weights(path))
    small = jnp.asarray(images[0][:, :30])
    with pytest.raises(ValueError, match="at least 31x31 pixels, got 46x30"):
        lpips(weights, small, small)


def config_with_lpips(weight: float, path) -> object:
    config = shrunk("smoke.py")
    with config.unlocked():
        config.losses.lpips = weight
        config.lpips_weights = str(path)
    return config


def test_a_loss_takes_it_in_with_its_weight(path):
    batch = batch_of("dequantization")
    config = config_with_lpips(2.0, path)
    task = make_task(config)
    state = task.load_pretrained(state_of(task, batch))
    step = quick_jit(task.step)
    after, metrics = step(state, batch)
    parts = config.losses.l1 * metrics["l1"] + config.losses.gradient * metrics["gradient"]
    assert float(metrics["lpips"]) > 0
    assert float(metrics["loss"]) == pytest.approx(float(parts + 2 * metrics["lpips"]), rel=1e-5)
    for name, array in load_weights(path).items():
        np.testing.assert_array_equal(after.extra["lpips"][name], array)


def test_a_loss_without_its_file_or_in_a_task_without_images_is_named(path):
    with pytest.raises(ValueError, match="losses.lpips: needs lpips_weights, a file"):
        make_task(config_with_lpips(1.0, ""))
    config = shipped("combcn_faces.py")
    config.losses.lpips = 1.0
    with pytest.raises(ValueError, match="losses.lpips: no such field"):
        make_task(config)


def test_the_benchmark_measures_with_such_a_file(path, images):
    distance, note = perceptual.load_lpips(path)
    assert distance is not None and "alex.safetensors" in note
    black, white = np.zeros((64, 96, 3), np.uint8), np.full((64, 96, 3), 255, np.uint8)
    assert distance(black, black) < 1e-12 and distance(black, white) > 0.01
