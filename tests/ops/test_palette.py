"""f_C against a brute-force search in whole numbers with NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.palette import colors_at, nearest_color, nearest_index

# Few sizes, so that each is compiled once.
SIZES = [(1, 1), (1, 6), (5, 4)]
jitted_nearest_color = jax.jit(nearest_color)


def brute_force(image, palettes, num_colors):
    """argmin of the squared distance to each colour, one at a time, in int64; first on a tie."""
    indices = np.zeros(image.shape[:3], np.int64)
    for i, (palette, number) in enumerate(zip(palettes, num_colors, strict=True)):
        colors = palette[:number].astype(np.int64)
        distances = [np.square(image[i].astype(np.int64) - color).sum(-1) for color in colors]
        indices[i] = np.argmin(np.stack(distances), axis=0)
    return indices


def random_case(seed, size=(3, 20, 31), low=0, high=256):
    rng = np.random.default_rng(seed)
    image = rng.integers(low, high, (*size, 3), dtype=np.uint8)
    palettes = rng.integers(low, high, (size[0], 256, 3), dtype=np.uint8)
    return image, palettes


@pytest.mark.parametrize("num_colors", [(1, 2, 3), (16, 17, 32), (255, 256, 100)])
def test_is_the_exact_argmin(num_colors):
    image, palettes = random_case(0)
    indices = nearest_index(
        to_float(jnp.asarray(image)), jnp.asarray(palettes), jnp.asarray(num_colors)
    )
    np.testing.assert_array_equal(indices, brute_force(image, palettes, num_colors))


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_the_first_index_wins_a_tie(transform):
    # Few levels make many ties, duplicate colours among them.
    image, palettes = random_case(1, low=100, high=106)
    num_colors = np.array([256, 40, 9])
    indices = transform(nearest_index)(
        to_float(jnp.asarray(image)), jnp.asarray(palettes), jnp.asarray(num_colors)
    )
    np.testing.assert_array_equal(indices, brute_force(image, palettes, num_colors))


def test_a_value_half_way_takes_the_first_of_both():
    palette = np.zeros((1, 256, 3), np.uint8)
    palette[0, :2] = [[128, 128, 128], [127, 127, 127]]
    index = nearest_index(jnp.zeros((1, 1, 1, 3)), jnp.asarray(palette), jnp.array([2]))
    assert index[0, 0, 0] == 0


def test_real_values_take_a_nearest_colour():
    rng = np.random.default_rng(2)
    image = rng.uniform(-1, 1, (1, 40, 40, 3)).astype(np.float32)
    palette = rng.integers(0, 256, (1, 256, 3), dtype=np.uint8)
    index = nearest_index(jnp.asarray(image), jnp.asarray(palette), jnp.array([200]))
    pixels = (image[0].astype(np.float64) + 1) * 127.5
    distance = np.square(pixels[:, :, None] - palette[0, None, None, :200]).sum(-1)
    chosen = np.take_along_axis(distance, np.asarray(index)[0, :, :, None], -1)[..., 0]
    assert np.all(chosen <= distance.min(-1) + 1e-2)


@given(st.integers(0, 2**32 - 1), st.integers(1, 256), st.sampled_from(SIZES))
def test_any_palette_size_and_image_size(seed, num_colors, size):
    image, palettes = random_case(seed, (1, *size))
    color = jitted_nearest_color(to_float(jnp.asarray(image)), palettes, np.array([num_colors]))
    expected = palettes[0][brute_force(image, palettes, [num_colors])]
    np.testing.assert_allclose(color, to_float(jnp.asarray(expected)), atol=1e-6)


def test_passes_no_gradient():
    image, palettes = random_case(3, (1, 4, 4))
    image = to_float(jnp.asarray(image))

    def energy(image):
        return jnp.sum(image * nearest_color(image, jnp.asarray(palettes), jnp.array([32])))

    expected = nearest_color(image, jnp.asarray(palettes), jnp.array([32]))
    np.testing.assert_allclose(jax.grad(energy)(image), expected, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.grad(energy))(image), expected, atol=1e-6)


def test_memory_does_not_grow_with_the_palette():
    image = jax.ShapeDtypeStruct((1, 1024, 1024, 3), jnp.float32)
    palette = jax.ShapeDtypeStruct((1, 256, 3), jnp.uint8)
    number = jax.ShapeDtypeStruct((1,), jnp.int32)
    compiled = jax.jit(nearest_index).lower(image, palette, number).compile()
    one_channel = 1024 * 1024 * 4
    assert compiled.memory_analysis().temp_size_in_bytes < 16 * one_channel


def test_looks_up_each_images_own_table():
    rng = np.random.default_rng(4)
    tables = rng.normal(size=(2, 256, 5)).astype(np.float32)
    index = rng.integers(0, 256, (2, 6, 7))
    result = colors_at(jnp.asarray(tables), jnp.asarray(index))
    np.testing.assert_array_equal(result, np.stack([tables[i][index[i]] for i in range(2)]))


@pytest.mark.parametrize(
    ("image", "palette", "number", "message"),
    [
        ((1, 4, 4, 4), (1, 256, 3), (1,), r"image: expected \(n, h, w, 3\), got \(1, 4, 4, 4\)"),
        ((2, 4, 4, 3), (1, 256, 3), (2,), r"expected \(2, 256, 3\) and \(2,\), got \(1, 256, 3\)"),
        ((1, 4, 4, 3), (1, 32, 3), (1,), r"got \(1, 32, 3\)"),
        ((1, 4, 4, 3), (1, 256, 3), (2,), r"and \(2,\)"),
    ],
)
def test_shapes_that_do_not_match_are_rejected(
    image, palette, number, message, without_shape_checks
):
    with pytest.raises(ValueError, match=message):
        nearest_index(jnp.zeros(image), jnp.zeros(palette, jnp.uint8), jnp.ones(number, jnp.int32))
