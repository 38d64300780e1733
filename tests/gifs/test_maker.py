"""Palettes and dithers: against brute force, Pillow's published algorithm, and ffmpeg."""

import subprocess
import sys

import av
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import skimage.data
from hypothesis.extra import numpy as hnp
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import maker
from gif2video_jax.gifs.dithers import bayer_matrix, paletteuse
from gif2video_jax.gifs.palette import Palette
from tests import oracles

PUBLIC = ("astronaut", "chelsea", "coffee", "rocket", "china", "flower")


def picture(name: str, size: int = 128) -> np.ndarray:
    if name in ("china", "flower"):
        whole = oracles.require_module("sklearn.datasets").load_sample_image(f"{name}.jpg")
    else:
        whole = getattr(skimage.data, name)()
    image = Image.fromarray(whole)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX))


def error(image: np.ndarray, indices: np.ndarray, palette: Palette) -> float:
    return float(np.mean((palette.colors[indices].astype(float) - image) ** 2))


def nearest(image: np.ndarray, palette: Palette) -> np.ndarray:
    """The definition of f_C, for every pixel and colour at once, in whole numbers."""
    colors = palette.colors[: palette.num_colors].astype(int)
    return ((image[..., None, :].astype(int) - colors) ** 2).sum(-1).argmin(-1)


def random_picture(seed: int, height: int, width: int, top: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, top, (height, width, 3)).astype(np.uint8)


# Palettes.


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("num_colors", [8, 32, 256])
def test_minimum_variance_has_less_error_than_median_cut(name, num_colors):
    image = picture(name)
    errors = {}
    for quantizer in ("minimum_variance", "median_cut", "kmeans"):
        errors[quantizer] = error(image, *maker.quantize(image, num_colors, quantizer, "none"))
    assert errors["minimum_variance"] < errors["median_cut"]
    # Rounding to whole colours may cost k-means a little of what it gains.
    assert errors["kmeans"] < 1.001 * errors["minimum_variance"]


def greedy_bipartition(pixels: np.ndarray, num_colors: int) -> set[tuple[int, ...]]:
    """Wu's algorithm by its definition: tries each cut of each box, on the pixels themselves."""

    def squares(part):
        return float(((part - part.mean(0)) ** 2).sum())

    def best_cut(part):
        cuts = [
            (squares(part[part[:, axis] < at]) + squares(part[part[:, axis] >= at]), axis, at)
            for axis in range(3)
            for at in np.unique(part[:, axis])[1:]
        ]
        _, axis, at = min(cuts, key=lambda cut: round(cut[0], 6))
        return part[part[:, axis] < at], part[part[:, axis] >= at]

    parts = [pixels.astype(float)]
    while len(parts) < num_colors:
        worst = max(range(len(parts)), key=lambda number: round(squares(parts[number]), 6))
        parts.extend(best_cut(parts.pop(worst)))
    return {tuple(np.rint(part.mean(0)).astype(int)) for part in parts}


@pytest.mark.parametrize("seed", range(8))
def test_minimum_variance_is_the_greedy_bipartition(seed):
    # 32 values a channel fall one in a cell of the grid, wherever they lie.
    image = random_picture(seed, 9, 11, top=32)
    image[0, :2] = [[0, 0, 0], [31, 31, 31]]
    low = np.array([seed * 20, 7, 220], np.uint8)
    palette = maker.make_palette((image + low)[None], 12, "minimum_variance")
    expected = greedy_bipartition((image + low).reshape(-1, 3), 12)
    assert {tuple(color) for color in palette.colors[:12].tolist()} == expected


def test_median_cut_and_octree_are_pillows():
    image = picture("coffee")
    methods = {"median_cut": Image.Quantize.MEDIANCUT, "octree": Image.Quantize.FASTOCTREE}
    for quantizer, method in methods.items():
        reference = np.asarray(Image.fromarray(image).quantize(20, method=method).convert("RGB"))
        palette = maker.make_palette(image[None], 20, quantizer)
        used = np.unique(reference.reshape(-1, 3), axis=0).tolist()
        assert all(color in palette.colors[: palette.num_colors].tolist() for color in used)


@pytest.mark.parametrize("quantizer", maker.QUANTIZERS)
@hypothesis.settings(max_examples=15)
@hypothesis.given(
    image=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    num_colors=st.integers(2, 256),
)
def test_palettes_are_distinct_and_never_exceed_the_asked_colors(quantizer, image, num_colors):
    palette = maker.make_palette(image[None], num_colors, quantizer)
    colors = palette.colors[: palette.num_colors]
    assert 1 <= palette.num_colors <= num_colors
    assert len(np.unique(colors, axis=0)) == palette.num_colors
    pixels = np.unique(image.reshape(-1, 3), axis=0)
    if len(pixels) <= num_colors:  # Nothing needs to be lost.
        assert np.array_equal(np.unique(colors, axis=0), pixels)
    indices = maker.apply_palette(image, palette, "none")
    assert indices.max() < palette.num_colors


@pytest.mark.parametrize("quantizer", maker.QUANTIZERS)
@pytest.mark.parametrize("num_colors", [2, 3, 255, 256])
def test_quantizers_use_most_of_the_colors_asked_for(quantizer, num_colors):
    palette = maker.make_palette(picture("rocket", 96)[None], num_colors, quantizer)
    assert 0.5 * num_colors <= palette.num_colors <= num_colors


@pytest.mark.parametrize("quantizer", maker.QUANTIZERS)
def test_dark_and_grey_pictures_keep_their_shades(quantizer):
    ramp = np.linspace(3, 60, 64 * 64).reshape(64, 64).astype(np.uint8)
    image = np.repeat(ramp[..., None], 3, axis=-1)
    indices, palette = maker.quantize(image, 16, quantizer, "none")
    # Sixteen even steps over 57 shades are off by at most two; the octree's grid is coarser.
    limit = 100 if quantizer == "octree" else 3
    assert error(image, indices, palette) < limit


@pytest.mark.parametrize("quantizer", maker.QUANTIZERS)
def test_a_clips_palette_serves_all_its_frames(quantizer):
    red, blue = np.zeros((2, 40, 40, 3), np.uint8)
    red[..., 0] = np.arange(100, 140)
    blue[..., 2] = np.arange(180, 220)
    palette = maker.make_palette(np.stack([red, blue]), 16, quantizer)
    for frame in (red, blue):
        shown = palette.colors[maker.apply_palette(frame, palette, "none")]
        assert np.abs(shown.astype(int) - frame).max() < 64


def test_a_clips_palette_is_that_of_its_frames_below_each_other():
    frames = np.stack([picture(name, 64) for name in PUBLIC])
    for quantizer in maker.QUANTIZERS:
        together = maker.make_palette(frames, 24, quantizer)
        below = maker.make_palette(frames.reshape(1, -1, 64, 3), 24, quantizer)
        assert np.array_equal(together.colors, below.colors)


@pytest.mark.parametrize("quantizer", maker.QUANTIZERS)
def test_a_stride_looks_at_some_pixels_but_keeps_few_colors(quantizer):
    image = picture("astronaut")
    palette = maker.make_palette(image[None], 32, quantizer, stride=3)
    expected = maker.make_palette(image[None, ::3, ::3], 32, quantizer)
    assert np.array_equal(palette.colors, expected.colors)
    few = np.zeros((10, 10, 3), np.uint8)
    few[1, 1], few[2, 7] = (255, 0, 0), (3, 2, 1)
    _, palette = maker.quantize(few, 4, quantizer, stride=9)
    assert palette.colors[: palette.num_colors].tolist() == [[0, 0, 0], [3, 2, 1], [255, 0, 0]]


def test_unknown_names_list_what_there_is():
    image = picture("coffee", 8)
    with pytest.raises(InputError, match="unknown quantizer 'wu'; available: minimum_variance,"):
        maker.make_palette(image[None], 8, "wu")
    with pytest.raises(InputError, match="unknown dither 'bayer6'; available: none, floyd"):
        maker.quantize(image, dither="bayer6")
    for num_colors in (1, 257):
        with pytest.raises(InputError, match=f"2 to 256 colours, got {num_colors}"):
            maker.make_palette(image[None], num_colors)


@pytest.mark.usefixtures("without_shape_checks")
def test_wrong_arrays_say_expected_and_got():
    with pytest.raises(ValueError, match=r"expected uint8 \(h, w, 3\), got float64 \(4, 4, 3\)"):
        maker.apply_palette(np.zeros((4, 4, 3)), Palette.from_colors(np.eye(3)), "none")
    with pytest.raises(ValueError, match=r"expected uint8 \(n, h, w, 3\), got uint8 \(0, 4, 4, 3"):
        maker.make_palette(np.zeros((0, 4, 4, 3), np.uint8))


# Dithers.


@hypothesis.given(
    image=hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))),
    colors=hnp.arrays(np.uint8, st.tuples(st.integers(1, 256), st.just(3))),
)
def test_no_dither_is_the_exact_nearest_color(image, colors):
    palette = Palette.from_colors(colors)
    assert np.array_equal(maker.apply_palette(image, palette, "none"), nearest(image, palette))


def test_ties_go_to_the_first_index():
    # 3 lies between 1 and 5; black pads the table but is no colour of it.
    palette = Palette.from_colors(np.array([[5] * 3, [1] * 3, [5] * 3, [1] * 3], np.uint8))
    image = np.array([[[3] * 3, [0] * 3, [9] * 3]], np.uint8)
    assert maker.apply_palette(image, palette, "none").tolist() == [[0, 1, 0]]


def pillow_floyd_steinberg(image: np.ndarray, palette: Palette) -> np.ndarray:
    """Pillow's `Convert.c` and `Palette.c`, written from their description.

    Rows go left to right. A pixel plus a sixteenth (rounded towards zero) of the errors that it
    got is clipped to a byte; its colour is the nearest to it with the two lowest bits cleared
    (Pillow keeps answers for cells of 4x4x4); what is left over goes on with weights 7 to the
    right, 3, 5 and 1 below. At the end of a row Pillow confuses its variables: the pixel below
    the last one gets, in red, blue's error, and in green and blue blue's last error once.
    """
    height, width, _ = image.shape
    colors = palette.colors[: palette.num_colors].astype(int)
    indices = np.zeros((height, width), np.uint8)
    below = np.zeros((width + 2, 3), int)
    for y in range(height):
        errors, below = below, np.zeros((width + 2, 3), int)
        right = left = np.zeros(3, int)
        for x in range(width):
            carried = right + errors[x + 1]
            wanted = image[y, x] + np.trunc(carried / 16).astype(int)
            wanted = np.clip(wanted, 0, 255)
            cell = wanted & ~3
            index = int(((colors - cell) ** 2).sum(1).argmin())
            indices[y, x] = index
            last, left = left, wanted - colors[index]
            right = 7 * left
            below[x] += 3 * left
            below[x + 1] += 5 * left
            below[x + 2] += left
        below[width] = [5 * left[2] + last[2], left[2], left[2]]
    return indices


@pytest.mark.parametrize("num_colors", [2, 7, 32, 256])
def test_floyd_steinberg_is_pillows_algorithm(num_colors):
    for image in (picture("astronaut", 48)[:, :37], random_picture(num_colors, 23, 31)):
        palette = maker.make_palette(image[None], num_colors, "minimum_variance")
        expected = pillow_floyd_steinberg(image, palette)
        assert np.array_equal(maker.apply_palette(image, palette, "floyd_steinberg"), expected)


@pytest.mark.parametrize("scale", range(6))
def test_bayer_has_ffmpegs_matrix(scale):
    """ffmpeg's filter, of any version: with all greys the nearest is the grey itself."""
    grey = np.arange(256, dtype=np.uint8)
    image = np.repeat(np.random.default_rng(scale).choice(grey, (19, 37, 1)), 3, axis=-1)
    palette = Palette.from_colors(np.repeat(grey[:, None], 3, axis=1))
    expected = paletteuse(image, palette, f"bayer:bayer_scale={scale}")
    assert np.array_equal(maker.apply_palette(image, palette, f"bayer{scale}"), expected)


def ffmpeg_version(program: str) -> int:
    text = subprocess.run([program, "-version"], capture_output=True, text=True).stdout
    return int(text.split()[2].lstrip("n").split(".")[0])


@pytest.mark.parametrize("scale", [0, 2, 5])
def test_bayer_is_that_of_the_program_ffmpeg(scale, tmp_path):
    """In colour before version 6, which measured in RGB; in grey with any version."""
    program = oracles.require_program("ffmpeg")
    image = picture("coffee", 64)[:, :51]
    palette = maker.make_palette(image[None], 20, "minimum_variance")
    if ffmpeg_version(program) >= 6:
        image = np.repeat(image[..., :1], 3, axis=-1)
        palette = Palette.from_colors(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1))
    entries = palette.colors.copy()
    entries[palette.num_colors :] = palette.colors[0]
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(entries.reshape(16, 16, 3)).save(tmp_path / "palette.png")
    command = [program, "-v", "error", "-i", tmp_path / "image.png", "-i", tmp_path / "palette.png"]
    graph = f"paletteuse=dither=bayer:bayer_scale={scale}"
    out = tmp_path / "out.png"
    subprocess.run([*command, "-lavfi", graph, "-update", "1", out], check=True)
    expected = np.asarray(Image.open(out).convert("RGB")).astype(int)
    shown = palette.colors[maker.apply_palette(image, palette, f"bayer{scale}")].astype(int)
    differs = (shown != expected).any(-1)
    # ffmpeg's search tree breaks ties its own way; only there may they differ.
    offsets = np.tile(bayer_matrix(scale), (8, 8))[:64, :51, None]
    wanted = np.clip(image.astype(int) + offsets, 0, 255)
    ties = ((shown - wanted) ** 2).sum(-1) == ((expected - wanted) ** 2).sum(-1)
    assert ties[differs].all() and differs.mean() < 0.01


DIFFUSIONS = [d for d in maker.DITHERS if d != "none" and not d.startswith("bayer")]


@pytest.mark.parametrize("dither", [*DIFFUSIONS, "bayer0", "bayer1"])
def test_dithers_keep_the_mean_where_no_dither_does_not(dither):
    ramp = np.tile(np.linspace(80, 176, 96), (96, 1))
    image = np.repeat(ramp[..., None], 3, axis=-1).astype(np.uint8)
    # A matrix of strength N mixes colours that are 64 >> N apart; this is bayer0's distance.
    steps = np.arange(16, 256, 64 if dither != "bayer1" else 32)
    palette = Palette.from_colors(np.repeat(steps[:, None], 3, axis=1).astype(np.uint8))

    def blurred_error(name):
        difference = palette.colors[maker.apply_palette(image, palette, name)].astype(float) - image
        return np.abs(difference.reshape(12, 8, 12, 8, 3).mean((1, 3))).mean()

    # Atkinson lets a quarter of the error go.
    assert blurred_error(dither) < (0.4 if dither == "atkinson" else 0.25) * blurred_error("none")


@pytest.mark.parametrize("dither", maker.DITHERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 2), (33, 65)])
def test_any_size_and_number_of_colors(dither, shape):
    for num_colors in (2, 5, 256):
        indices, palette = maker.quantize(
            random_picture(3, *shape), num_colors, "minimum_variance", dither
        )
        assert indices.shape == shape and indices.dtype == np.uint8
        assert indices.flags.writeable
        assert indices.max() < palette.num_colors


@pytest.mark.parametrize("dither", maker.DITHERS)
def test_few_colors_come_back_as_they_were(dither):
    colors = np.array([[0, 0, 0], [255, 255, 255], [200, 30, 30], [20, 40, 250]], np.uint8)
    image = colors[np.random.default_rng(0).integers(0, 4, (20, 31))]
    indices, palette = maker.quantize(image, 16, "median_cut", dither)
    assert palette.num_colors == 4
    # The strongest matrices move a colour further than half way to another: no harm with the rest.
    assert np.array_equal(palette.colors[indices], image)


@hypothesis.given(
    colors=hnp.arrays(np.uint8, st.tuples(st.integers(1, 256), st.just(3))),
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    spare=st.integers(0, 255),
    quantizer=st.sampled_from(maker.QUANTIZERS),
    dither=st.sampled_from(["none", *DIFFUSIONS]),
)
def test_pictures_whose_colors_fit_the_palette_come_back_exactly(
    colors, seed, shape, spare, quantizer, dither
):
    """Near colours too: Pillow's look-up alone takes colours of one 4x4x4 cell for one."""
    image = colors[np.random.default_rng(seed).integers(0, len(colors), shape)]
    num_colors = max(2, min(256, len(np.unique(image.reshape(-1, 3), axis=0)) + spare))
    indices, palette = maker.quantize(image, num_colors, quantizer, dither)
    assert np.array_equal(palette.colors[indices], image)


def test_all_greys_survive_floyd_steinberg():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = np.repeat(ramp[..., None], 3, axis=-1)
    indices, palette = maker.quantize(image, 256, "median_cut", "floyd_steinberg")
    assert np.array_equal(palette.colors[indices], image)
    # One colour more than the palette, and it is Pillow's algorithm again.
    image[0, 0] = [1, 0, 0]
    expected = pillow_floyd_steinberg(image, palette)
    assert np.array_equal(maker.apply_palette(image, palette, "floyd_steinberg"), expected)


def test_paletteuse_answers_in_the_palettes_own_order():
    """ffmpeg sorts the palette; with no error to spread the indices are those of the colours."""
    colors = random_picture(1, 1, 40)[0]
    palette = Palette.from_colors(colors)
    image = colors[None, ::-1]
    for dither in ("sierra2", "sierra2_4a", "sierra3", "burkes", "atkinson", "heckbert"):
        assert maker.apply_palette(image, palette, dither).tolist() == [list(range(39, -1, -1))]


def test_paletteuse_is_ffmpegs_filter_on_a_gif_of_pyav():
    """The whole path of `ffmpeg -i palette -lavfi paletteuse`: the palette from palettegen."""
    image = picture("chelsea", 64)
    palette = maker.make_palette(image[None], 32, "palettegen")
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame.pts = 0
    graph = av.filter.Graph()
    source = graph.add_buffer(template=None, width=64, height=64, format="rgb24", time_base=1 / 25)
    split = graph.add("split")
    generate = graph.add("palettegen", "max_colors=32:reserve_transparent=0")
    use, sink = graph.add("paletteuse", "dither=sierra3"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(generate, 1, 0)
    generate.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    source.push(frame)
    source.push(None)
    expected = sink.pull().to_ndarray(format="rgb24")
    assert np.array_equal(palette.colors[maker.apply_palette(image, palette, "sierra3")], expected)


def test_making_gifs_needs_no_jax():
    code = "import sys, gif2video_jax.gifs.maker; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
