"""The dither classifier in NumPy against its Flax module; its planes against plain loops."""

import jax
import numpy as np
import pytest
import safetensors.numpy

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import maker
from gif2video_jax.gifs.dither_network import (
    MIN_SIDE,
    DitherNetwork,
    bundled_dither_network,
    load_dither_network,
)
from gif2video_jax.gifs.dither_planes import NUM_PLANES, SCALE, dither_planes
from gif2video_jax.gifs.dithering import DITHER_KINDS
from gif2video_jax.models.build import build_model
from gif2video_jax.network_files import load_network, save_network
from tests.random_variables import random_variables


def gif_picture(height=40, width=48, dither="floyd_steinberg", num_colors=12):
    y, x = np.mgrid[:height, :width]
    shades = np.stack([x * 4, y * 4, 128 + 60 * np.sin((x + y) / 9)], axis=-1).astype(np.uint8)
    indices, palette = maker.quantize(shades, num_colors, "median_cut", dither)
    return palette.colors[indices]


def plain_planes(rgb):
    """The table of `dither_planes`, pixel by pixel, in float64."""
    height, width = rgb.shape[:2]
    values = rgb.astype(float)
    colors = np.unique(rgb.reshape(-1, 3), axis=0).astype(float)

    def reach(pixel):
        return max(2.0, sorted(np.linalg.norm(colors - pixel, axis=1))[min(3, len(colors) - 1)])

    tones = np.stack(
        [values.mean(-1), values[..., 0] - values[..., 1], values[..., 2] - values[..., 1]], -1
    )
    wide = np.pad(tones, ((2, 2), (2, 2), (0, 0)), mode="edge")
    planes = np.zeros((height, width, NUM_PLANES))
    detail = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            here = (tones[y, x] - wide[y : y + 5, x : x + 5].mean((0, 1))) / reach(values[y, x])
            planes[y, x, :3] = np.tanh(here)
            detail[y, x] = np.tanh(2 * here[0])
    for y in range(height):
        for x in range(width):
            for number, (down, right) in enumerate([(0, 1), (1, 0), (0, 2), (2, 0)]):
                if y + down < height and x + right < width:
                    a, b = values[y, x], values[y + down, x + right]
                    distance = np.linalg.norm(a - b)
                    planes[y, x, 3 + number] = distance == 0
                    if number < 2:
                        planes[y, x, 7 + number] = 0 < distance <= 1.5 * max(reach(a), reach(b))
            for number, step in enumerate((2, 4, 8)):
                if x + step < width:
                    planes[y, x, 9 + 2 * number] = detail[y, x] * detail[y, x + step]
                if y + step < height:
                    planes[y, x, 10 + 2 * number] = detail[y, x] * detail[y + step, x]
    return planes


@pytest.mark.parametrize("num_colors", [3, 12])
def test_planes_are_those_of_the_table(num_colors):
    rgb = gif_picture(14, 17, num_colors=num_colors)
    expected = plain_planes(rgb) * SCALE
    np.testing.assert_allclose(dither_planes(rgb), expected, atol=1.01)


def test_planes_know_neither_the_palettes_place_nor_its_spread():
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 4, (20, 20))
    colors = np.array([[0, 0, 0], [8, 8, 8], [24, 24, 24], [40, 40, 40]], np.uint8)
    planes = dither_planes(colors[indices])
    assert np.array_equal(dither_planes(4 * colors[indices] + 20), planes)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2)])
def test_planes_of_any_size(shape):
    assert dither_planes(np.zeros((*shape, 3), np.uint8)).shape == (*shape, NUM_PLANES)


@pytest.mark.parametrize("size", [(16, 16), (33, 20), (37, 64)])
def test_numpy_computes_what_flax_does(size, tmp_path):
    module = build_model("dither_classifier", {"channels": [5, 6, 7], "hidden": 4})
    variables = random_variables(module, 3)
    path = tmp_path / "x.safetensors"
    save_network(
        path, "dither_classifier", {"channels": [5, 6, 7], "hidden": 4}, variables,
        dtype="float32", about={},
    )  # fmt: skip
    planes = dither_planes(gif_picture(*size))
    network = load_dither_network(path)
    expected = np.asarray(module.apply(variables, jax.numpy.asarray(planes[None]))[0])
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(network.logits(planes), expected, rtol=1e-4, atol=1e-5)
    probabilities = network.probabilities(planes)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities.argmax() == expected.argmax()


def test_the_bundled_one_computes_what_flax_does():
    import importlib.resources

    files = importlib.resources.files("gif2video_jax") / "weights"
    with importlib.resources.as_file(files) as folder:
        path = folder / "default.dither_classifier.safetensors"
        loaded = load_network(path)
        assert path.stat().st_size < 1 << 17
    planes = dither_planes(gif_picture(48, 64))
    expected = loaded.module.apply(loaded.variables, jax.numpy.asarray(planes[None]))[0]
    np.testing.assert_allclose(
        bundled_dither_network().logits(planes), expected, rtol=1e-3, atol=1e-4
    )
    assert len(expected) == len(DITHER_KINDS)


def test_smaller_than_its_reach_is_a_mistake():
    planes = np.zeros((MIN_SIDE, MIN_SIDE - 1, NUM_PLANES), np.int8)
    with pytest.raises(ValueError, match="expected 16 pixels or more, got 15x16"):
        DitherNetwork({}).probabilities(planes)


def test_files_that_are_no_classifier_are_told(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(InputError, match="x.safetensors: not a whole safetensors file"):
        load_dither_network(path)
    path.write_bytes(b"junk")
    with pytest.raises(InputError, match="x.safetensors: not a whole safetensors file"):
        load_dither_network(path)
    safetensors.numpy.save_file({"params/gate/kernel": np.zeros((2, 1), np.float32)}, path)
    with pytest.raises(InputError, match="no dither classifier: has no convolution_0"):
        load_dither_network(path)
    arrays = {
        f"params/{layer}/{part}": np.zeros((3, 3, 14, 2), np.float32)
        for layer in ("convolution_0", "convolution_1", "convolution_2", "gate", "hidden", "logits")
        for part in ("kernel", "bias")
    }
    safetensors.numpy.save_file(arrays, path)
    with pytest.raises(InputError, match="of other planes than these"):
        load_dither_network(path)
