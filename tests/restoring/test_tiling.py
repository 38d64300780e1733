"""Any size through a U-Net: tiles cover, overlap and join; oracles are counting and the whole."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gif2video_jax.models.ccdnet import CCDNet1
from gif2video_jax.models.unet import UNet
from gif2video_jax.restoring.tiling import (
    BUCKET,
    Box,
    apply_in_tiles,
    pad_to,
    plan_tiles,
    round_up,
    smallest_tile,
)
from tests.random_variables import random_variables

FIELDS = {
    "stage_channels": (4, 6, 8),
    "up_channels": (6, 4),
    "kernel_sizes": (3, 3, 3),
    "norm": "none",
}


@st.composite
def plans(draw):
    multiple = draw(st.sampled_from([16, 32, 36, 64]))
    overlap = draw(st.integers(0, 100))
    tile = smallest_tile(overlap, multiple) + multiple * draw(st.integers(0, 5))
    height, width = (multiple * draw(st.integers(1, 24)) for _ in range(2))
    return height, width, tile, overlap, multiple


@given(plans())
def test_every_pixel_is_kept_exactly_once(plan):
    height, width = plan[:2]
    count = np.zeros((height, width), int)
    for part in plan_tiles(*plan):
        count[part.core.slices] += 1
    assert (count == 1).all()


@given(plans())
def test_windows_are_of_one_size_inside_the_image_and_on_multiples(plan):
    height, width, tile, _, multiple = plan
    for part in plan_tiles(*plan):
        window = part.window
        assert (window.height, window.width) == (min(tile, height), min(tile, width))
        assert 0 <= window.top and window.bottom <= height
        assert 0 <= window.left and window.right <= width
        assert window.top % multiple == 0 and window.left % multiple == 0


@given(plans())
def test_cores_stay_away_from_the_edges_that_are_not_the_images_own(plan):
    height, width, _, overlap, _ = plan
    for part in plan_tiles(*plan):
        window, core = part.window, part.core
        assert window.top == 0 or core.top - window.top >= overlap
        assert window.left == 0 or core.left - window.left >= overlap
        assert window.bottom == height or window.bottom - core.bottom >= overlap
        assert window.right == width or window.right - core.right >= overlap


def test_an_image_as_large_as_a_tile_is_one_tile():
    (part,) = plan_tiles(64, 96, 96, 40, 32)
    assert part.window == part.core == Box(0, 0, 64, 96)


@pytest.mark.parametrize("sizes", [(40, 64, 64), (64, 40, 64), (64, 64, 40)])
def test_sizes_off_the_blocks_are_refused(sizes):
    with pytest.raises(ValueError, match="expected multiples of 32, got"):
        plan_tiles(*sizes, overlap=0, multiple=32)


def test_a_tile_without_a_core_is_refused():
    with pytest.raises(ValueError, match="expected at least 160 pixels for an overlap of 64"):
        plan_tiles(512, 512, 128, 50, 32)
    assert plan_tiles(512, 512, smallest_tile(50, 32), 50, 32)


@given(st.integers(1, 500), st.integers(1, 70))
def test_rounding_up_gives_the_next_multiple(size, multiple):
    result = round_up(size, multiple)
    assert result % multiple == 0 and size <= result < size + multiple


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_padding_repeats_the_last_row_and_column(height, width, rows, columns):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    padded = pad_to(image, height + rows, width + columns)
    assert padded.shape == (height + rows, width + columns, 3)
    for y in range(height + rows):
        for x in range(width + columns):
            assert (padded[y, x] == image[min(y, height - 1), min(x, width - 1)]).all()


@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from([4, 12, 16, 64]))
def test_any_size_comes_back_at_its_own_size(height, width, multiple):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    other = image[..., :1].astype(np.float32)
    shapes = set()

    def add(first, second):
        assert first.shape[:2] == second.shape[:2]
        assert first.shape[0] % multiple == 0 and first.shape[1] % multiple == 0
        shapes.add(first.shape)
        return first + second

    for tile in (None, 64):
        shapes.clear()
        result = apply_in_tiles(add, [image, other], multiple=multiple, overlap=10, tile=tile)
        np.testing.assert_array_equal(result, image + other)
        assert len(shapes) == 1, "tiles of one frame share one compilation"


def test_near_sizes_share_a_shape():
    shapes = set()

    def look(image):
        shapes.add(image.shape)
        return image

    for height, width in [(33, 65), (64, 96), (50, 70)]:
        image = np.zeros((height, width, 3), np.uint8)
        apply_in_tiles(look, [image], multiple=16, overlap=94)
    assert shapes == {(2 * BUCKET, 3 * BUCKET, 3)}


@pytest.mark.parametrize(("upsampling", "stem_factor"), [("transposed", 1), ("bilinear", 2)])
def test_a_tiled_unet_equals_the_whole_one(upsampling, stem_factor):
    fields = FIELDS | {"upsampling": upsampling, "stem_factor": stem_factor}
    module = CCDNet1(unet=fields)
    unet = UNet(out_channels=3, **fields)
    variables = random_variables(module, 2)
    apply = jax.jit(module.apply)

    def run(image):
        return np.asarray(apply(variables, image[None]))[0]

    image = np.random.default_rng(3).uniform(-1, 1, (301, 275, 3)).astype(np.float32)
    arguments = {"multiple": unet.multiple, "overlap": unet.reach}
    whole = apply_in_tiles(run, [image], **arguments)
    tiled = apply_in_tiles(run, [image], tile=32, **arguments)
    assert smallest_tile(unet.reach, BUCKET) < 275, "this must take several tiles each way"
    np.testing.assert_allclose(tiled, whole, atol=2e-5)
    careless = apply_in_tiles(run, [image], multiple=unet.multiple, overlap=0, tile=32)
    assert np.abs(careless - whole).max() > 1e-2, "without overlap seams must show"
