"""Crops, sizes, configurations and chunks of the data sets, without TFDS."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gif2video_jax.datasets.clips import (
    ClipRecipe,
    GifRecipe,
    VideoItem,
    decode_image,
    parse_recipe,
    read_chunks,
)
from gif2video_jax.datasets.opencv_resize import resize_bilinear
from gif2video_jax.errors import InputError
from tests import oracles


@given(st.integers(0, 2**32), *[st.integers(1, 120)] * 4)
def test_resizing_equals_opencv_bit_by_bit(seed, height, width, new_height, new_width):
    cv2 = oracles.require_module("cv2")
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize_bilinear(image, new_height, new_width), expected)


def test_halving_equals_opencv():
    cv2 = oracles.require_module("cv2")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize_bilinear(image, 32, 48), cv2.resize(image, (48, 32)))


@pytest.mark.usefixtures("without_shape_checks")
def test_resizing_to_nothing_is_refused():
    with pytest.raises(ValueError, match="expected positive sizes"):
        resize_bilinear(np.zeros((4, 4, 3), np.uint8), 0, 3)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("frames", None),
        ("g32_nodither", GifRecipe(32, "minimum_variance", "none")),
        ("g32_dither", GifRecipe(32, "minimum_variance", "floyd_steinberg")),
        ("g64_palettegen_bayer2", GifRecipe(64, "palettegen", "bayer2")),
        ("g256_median_cut_none", GifRecipe(256, "median_cut", "none")),
        ("g8_minimum_variance_sierra2_4a", GifRecipe(8, "minimum_variance", "sierra2_4a")),
    ],
)
def test_configurations_are_named_after_their_gifs(name, recipe):
    assert parse_recipe(name) == recipe
    assert recipe is None or recipe.name == name


@pytest.mark.parametrize(
    "name", ["", "g32", "g1_dither", "g300_dither", "g32_wu_none", "G32_dither"]
)
def test_other_names_are_refused_with_what_there_is(name):
    with pytest.raises(InputError, match="expected"):
        parse_recipe(name)


def still_item(path, **fields):
    return VideoItem("one", str(path), 1, kind="still", fields=tuple(fields.items()))


def test_a_chunk_holds_the_truth_as_jpeg_and_the_gif_made_of_it(tmp_path):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    picture = small.resize((70, 50), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "a.png")
    recipe = ClipRecipe(gif=GifRecipe(16, "median_cut", "none"))
    (chunk,) = read_chunks(still_item(tmp_path / "a.png", kind="still"), recipe)
    assert (chunk["video"], chunk["start"], chunk["kind"]) == ("one", 0, "still")
    (frame,) = chunk["frames"]
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, subsampling="4:2:0")
    assert frame["image"] == buffer.getvalue()
    truth, indices = decode_image(frame["image"]), decode_image(frame["indices"])
    assert indices.shape == (50, 70) and indices.max() < frame["num_colors"] <= 16
    gif = frame["palette"][indices].astype(int)
    error = np.mean((gif - truth) ** 2)
    others = np.mean((frame["palette"][(indices + 1) % 16].astype(int) - truth) ** 2)
    assert error < others
    # Without dither, each pixel has its nearest colour.
    colors = frame["palette"][: frame["num_colors"]].astype(int)
    distances = ((truth[:, :, None].astype(int) - colors) ** 2).sum(-1)
    chosen = np.take_along_axis(distances, indices[..., None].astype(int), -1)[..., 0]
    assert np.mean(chosen <= distances.min(-1)) > 0.99


def test_jpegs_equal_opencvs_default():
    """Quality 95 and 4:2:0, as OpenCV writes; decoders differ by rounding alone."""
    cv2 = oracles.require_module("cv2")
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC)
    _, content = cv2.imencode(".jpg", image[..., ::-1])
    theirs = Image.open(io.BytesIO(content.tobytes()))
    buffer = io.BytesIO()
    options = dict(ClipRecipe().jpeg)
    Image.fromarray(image).save(buffer, "JPEG", **options)
    ours = Image.open(io.BytesIO(buffer.getvalue()))
    assert ours.quantization == theirs.quantization
    assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 3


def test_chunks_cut_a_video_into_runs_and_keep_times(tmp_path):
    from gif2video_jax.media import open_writer

    with open_writer(tmp_path / "v.mp4", width=32, height=32, rate=10) as writer:
        for number in range(11):
            writer.write(np.full((32, 32, 3), 20 * number, np.uint8))
    item = VideoItem("v", str(tmp_path / "v.mp4"), 1)
    chunks = list(read_chunks(item, ClipRecipe(chunk_frames=4)))
    assert [(c["start"], len(c["frames"])) for c in chunks] == [(0, 4), (4, 4), (8, 3)]
    frames = [frame for chunk in chunks for frame in chunk["frames"]]
    np.testing.assert_allclose([f["time"] for f in frames], np.arange(11) / 10, atol=1e-6)
    means = [decode_image(f["image"]).mean() for f in frames]
    np.testing.assert_allclose(means, 20 * np.arange(11), atol=4)
    assert "indices" not in frames[0]


def test_a_broken_tail_is_told_of_after_what_decodes(tmp_path):
    calls = []

    def fails_at_the_sixth(frame, item):
        calls.append(1)
        if len(calls) == 6:
            raise InputError(f"{item.path}: broken here")
        return frame

    from gif2video_jax.media import open_writer

    with open_writer(tmp_path / "v.mp4", width=32, height=32, rate=10) as writer:
        for _ in range(9):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    item = VideoItem("v", str(tmp_path / "v.mp4"), 1)
    chunks = read_chunks(item, ClipRecipe(chunk_frames=4, prepare=fails_at_the_sixth))
    assert [len(next(chunks)["frames"]), len(next(chunks)["frames"])] == [4, 1]
    with pytest.raises(InputError, match="broken here, after 5 frames"):
        next(chunks)
