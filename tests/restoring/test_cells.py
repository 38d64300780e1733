"""Colours moved to where a GIF allows them: which dither is seen, and what moves.

The oracle is the maker, whose dithers are those of ffmpeg and Pillow (tests/gifs/test_maker.py): a
GIF's own truth, blurred or with noise, plays the part of the restored colours.
"""

import numpy as np
import pytest

from gif2video_jax.evaluation.metrics import psnr
from gif2video_jax.gifs.dithers import bayer_matrix, nearest_indices
from gif2video_jax.gifs.maker import quantize
from gif2video_jax.gifs.palette import palette_geometry
from gif2video_jax.restoring import cells
from gif2video_jax.restoring.cells import KINDS, NEIGHBORS, CellMover, PixelGeometry

HEIGHT, WIDTH = 61, 83


def picture(height=HEIGHT, width=WIDTH):
    """Shades that run across each other, none of them cut off."""
    y, x = np.mgrid[:height, :width] / 60
    shades = [np.sin(3 * x + y), np.cos(2 * y - x), np.sin(x * y + 1)]
    return np.round(128 + 90 * np.stack(shades, axis=-1)).astype(np.uint8)


def gif_of(truth, dither, num_colors=24):
    """Indices, colours, geometry and palette of a GIF frame."""
    indices, palette = quantize(truth, num_colors, "median_cut", dither)
    used = np.bincount(indices.ravel(), minlength=256) > 0
    table = palette_geometry(palette, used, neighbors=NEIGHBORS)
    geometry = PixelGeometry(table, indices.astype(np.int32))
    return indices, palette.colors[indices], geometry, palette


def restored(truth, seed=0):
    """The truth with a network's errors: small ones everywhere, some larger."""
    noise = np.random.default_rng(seed).normal(0, 3, truth.shape)
    return np.clip(np.round(truth + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dither", KINDS)
def test_the_dither_is_told_and_colours_come_closer(dither):
    truth = picture()
    _, gif, geometry, _ = gif_of(truth, dither)
    mover = CellMover()
    moved = mover(restored(truth), gif, geometry)
    assert mover.kind == dither
    assert psnr(moved, truth) > psnr(restored(truth), truth) + 0.05


@pytest.mark.parametrize("dither", KINDS)
def test_what_was_moved_lies_in_its_cell(dither):
    truth = picture()
    _, gif, geometry, palette = gif_of(truth, dither)
    matrix = bayer_matrix(int(dither[-1])) if dither != "none" else np.zeros((8, 8), int)
    shift = np.tile(matrix, (8, 11))[:HEIGHT, :WIDTH, None]

    def levels_outside(colors):
        """How far beyond the border to the nearest colour."""
        dithered = np.clip(colors.astype(int) + shift, 0, 255)
        near = palette.colors[nearest_indices(dithered.astype(np.uint8), palette)].astype(int)
        squares = [np.square(dithered - color).sum(axis=-1) for color in (gif.astype(int), near)]
        width = np.linalg.norm(near - gif, axis=-1)
        return (squares[0] - squares[1]) / np.maximum(2 * width, 1e-9)

    clean = restored(truth)
    moved = CellMover()(clean, gif, geometry)
    assert (levels_outside(clean) > 2).mean() > 0.04
    # Rounding to whole levels, and two sweeps over four borders, leave some a little outside.
    assert (levels_outside(moved) > 2).mean() < 0.015


@pytest.mark.parametrize("dither", ["floyd_steinberg", "burkes", "sierra2"])
def test_error_diffusion_leaves_colours_alone(dither):
    truth = picture()
    _, gif, geometry, _ = gif_of(truth, dither)
    mover, clean = CellMover(), restored(truth)
    assert mover(clean, gif, geometry) is clean
    assert mover.kind is None


def test_where_one_dither_is_clear_more_may_move():
    """Of undithered colours, which are nearly those of Bayer 5, fewer."""
    noise = np.random.default_rng(1).normal(0, 5, (HEIGHT, WIDTH, 3))
    clean = np.clip(np.round(picture() + noise), 0, 255).astype(np.uint8)
    for dither, is_moved in (("bayer0", True), ("none", False)):
        _, gif, geometry, _ = gif_of(picture(), dither)
        mover = CellMover()
        moved = mover(clean, gif, geometry)
        changes = mover.move(clean, gif, geometry, dither).astype(int) - clean
        assert 0.12 < (abs(changes).max(axis=-1) > 1).mean() < 0.25
        assert (moved is not clean) == is_moved


def test_what_looks_diffused_is_not_moved(monkeypatch):
    """Whatever the moves tell: the mean of the first frames that are large enough counts."""
    found = iter([None, 0.9, 0.2, 0.6])
    monkeypatch.setattr(cells, "diffusion_probability", lambda rgb: next(found))
    _, gif, geometry, _ = gif_of(picture(), "none")
    mover, clean = CellMover(), restored(picture())
    kinds = []
    for _ in range(5):  # the fifth frame is not asked about
        mover(clean, gif, geometry)
        kinds.append(mover.kind)
    assert kinds == ["none", None, "none", "none", "none"]
    found = iter([0.2, 0.9, 0.9])
    mover.restart()
    mover(clean, gif, geometry)
    part = (slice(0, 20), slice(0, 20))
    for _ in range(2):  # a small part counts less
        mover(clean[part], gif[part], geometry.part(part))
    assert mover.kind == "none"


def test_transparent_pixels_say_nothing():
    truth = picture()
    _, gif, geometry, _ = gif_of(truth, "bayer1")
    known = np.ones((HEIGHT, WIDTH), bool)
    known[:, 20:] = False
    clean = restored(truth)
    clean[:, 20:] = 255 - clean[:, 20:]
    seeing, mover = CellMover(), CellMover()
    seeing(clean, gif, geometry)
    mover(clean, gif, geometry, known=known)
    assert seeing.kind is None and mover.kind == "bayer1"


def test_a_part_is_moved_as_in_the_whole():
    truth = picture()
    _, gif, geometry, _ = gif_of(truth, "bayer2")
    mover, clean = CellMover(), restored(truth)
    whole = mover(clean, gif, geometry)
    part = (slice(13, 50), slice(21, 70))
    moved = mover(clean[part], gif[part], geometry.part(part), top=13, left=21)
    np.testing.assert_array_equal(moved, whole[part])
    elsewhere = mover(clean[part], gif[part], geometry.part(part), top=14, left=21)
    assert (elsewhere != whole[part]).any()


def test_frames_of_more_pixels_than_are_moved_at_a_time():
    truth = np.tile(picture(), (3, 3, 1))
    _, gif, geometry, _ = gif_of(truth, "none")
    mover, clean = CellMover(), restored(truth)
    moved = mover(clean, gif, geometry)
    assert len(truth.reshape(-1, 3)) > 2 * 16384
    for i in range(3):
        rows = (slice(i * HEIGHT, (i + 1) * HEIGHT), slice(None))
        np.testing.assert_array_equal(
            mover(clean[rows], gif[rows], geometry.part(rows)), moved[rows]
        )


def test_a_few_pixels_do_not_tell_and_evidence_adds_up():
    truth = picture()
    _, gif, geometry, _ = gif_of(truth, "none")
    mover, clean = CellMover(), restored(truth)
    first = (slice(0, 12), slice(0, 20))
    part = clean[first]
    assert mover(part, gif[first], geometry.part(first)) is part
    assert mover.kind is None
    mover(clean, gif, geometry)
    assert mover.kind == "none"
    mover.restart()
    assert mover.kind is None


def test_colours_that_the_network_kept_stay():
    _, gif, geometry, _ = gif_of(picture(), "none")
    mover = CellMover()
    assert mover(gif, gif, geometry) is gif
