"""Frames through a dequantiser: what is reused and what the network is told.

The oracles are the network called directly on the whole padded frame, and loops over pixels.
"""

import jax
import numpy as np
import pytest

from gif2video_jax.gifs.maker import quantize
from gif2video_jax.gifs.palette import Palette, palette_geometry
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.models.build import build_model
from gif2video_jax.models.unet import UNet
from gif2video_jax.pretrained import Network, load_model, load_network, save_network
from gif2video_jax.restoring.cells import CellMover
from gif2video_jax.restoring.dequantize import Dequantizer, difference_box
from gif2video_jax.restoring.tiling import Box, pad_to
from tests import gif_builder
from tests.random_variables import random_variables

UNET = {"stage_channels": (4, 6), "up_channels": (4,), "kernel_sizes": (3, 3), "norm": "none"}
FIELDS = {"composition": "residual", "geometry_channels": 12, "unet": UNET}


def make_network(tmp_path_factory, kind, fields, variables):
    """A network that went through a file, as users' networks do."""
    path = tmp_path_factory.mktemp("network") / "dequantizer.safetensors"
    save_network(path, kind, fields, variables, dtype="float32", about={"data": "none"})
    return load_network(path)


@pytest.fixture(scope="module")
def identity(tmp_path_factory) -> Network:
    fields = FIELDS | {"unet": UNET | {"zero_head": True}}
    module = build_model("ccdnet1", fields)
    variables = random_variables(module, 0)
    head = variables["params"]["unet"]["head"]
    head.update(jax.tree.map(np.zeros_like, dict(head)))
    return make_network(tmp_path_factory, "ccdnet1", fields, variables)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Network:
    variables = random_variables(build_model("ccdnet1", FIELDS), 1)
    return make_network(tmp_path_factory, "ccdnet1", FIELDS, variables)


def counting(dequantizer):
    """Notes the shape of each call of the network."""
    shapes, apply = [], dequantizer._apply

    def counted(variables, gif, *extra):
        shapes.append(gif.shape[1:3])
        return apply(variables, gif, *extra)

    dequantizer._apply = counted
    return shapes


def frames_of(*pictures, num_colors=16):
    """The frames of a GIF of these pictures, each with its own palette."""
    images = []
    for picture in pictures:
        indices, palette = quantize(picture, num_colors)
        colors = palette.colors[: palette.num_colors].tolist()
        images.append(gif_builder.Image(indices, palette=colors))
    return read_gif(gif_builder.build(images)).frames


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def directly(network, frame, geometry):
    """The whole frame through the network, padded by repeating its edge to multiples of 32."""
    height, width = frame.rgb.shape[:2]
    size = (-(-height // 32) * 32, -(-width // 32) * 32)
    gif = pad_to(frame.rgb, *size).astype(np.float32) / 127.5 - 1
    geometry = pad_to(geometry, *size)
    clean = jax.jit(network.module.apply)(network.variables, gif[None], geometry[None])
    levels = np.round((np.clip(clean[0], -1, 1) + 1) * 127.5)
    return levels[:height, :width]


def geometry_by_hand(frame):
    """A loop: of each pixel's palette the colours that this frame draws with it."""
    result = np.zeros((*frame.indices.shape, 12), np.float32)
    for number, palette in enumerate(frame.palettes):
        mask = frame.palette_ids == number
        used = np.isin(np.arange(256), frame.indices[mask])
        result[mask] = palette_geometry(palette, used)[frame.indices[mask]]
    return result


@pytest.mark.parametrize("size", [(1, 1), (37, 53)])
def test_a_network_that_changes_nothing_gives_the_gif_back(identity, size):
    dequantizer = Dequantizer(identity)
    for frame in frames_of(noise(*size), noise(*size, seed=1)):
        clean = dequantizer(frame)
        assert clean.dtype == np.uint8
        np.testing.assert_array_equal(clean, frame.rgb)


def test_the_result_is_the_networks(network):
    (frame,) = frames_of(noise(37, 53))
    clean = Dequantizer(network)(frame)
    expected = directly(network, frame, geometry_by_hand(frame))
    assert np.abs(clean - expected).max() <= 1
    assert (clean != frame.rgb).mean() > 0.5, "this network must do something"


def test_equal_frames_are_computed_once(network):
    dequantizer = Dequantizer(network)
    shapes = counting(dequantizer)
    first, again, other = frames_of(noise(20, 24), noise(20, 24), noise(20, 24, seed=1))
    result = dequantizer(first)
    assert dequantizer(again) is result
    assert len(shapes) == 1
    assert dequantizer(other) is not result
    assert len(shapes) == 2


def test_results_cannot_be_written_to(network):
    (frame,) = frames_of(noise(8, 8))
    with pytest.raises(ValueError, match="read-only"):
        Dequantizer(network)(frame)[0, 0] = 0


def test_only_the_part_that_changed_is_computed_again(network):
    picture = noise(300, 420) // 64 * 64  # few colours, so that both frames have one palette
    changed = picture.copy()
    changed[150:160, 200:215] = 255 - changed[150:160, 200:215] // 64 * 64 - 63
    first, second = frames_of(picture, changed, num_colors=256)
    dequantizer = Dequantizer(network)
    shapes = counting(dequantizer)
    before = dequantizer(first)
    partly = dequantizer(second)
    assert shapes[1][0] * shapes[1][1] < 0.5 * shapes[0][0] * shapes[0][1]
    whole = Dequantizer(network)(second)
    assert np.abs(partly.astype(int) - whole).max() <= 1, "1: rounding"
    reach = UNet(out_channels=3, **network.module.unet).reach
    outside = np.ones((300, 420), bool)
    outside[150 - reach : 160 + reach, 200 - reach : 215 + reach] = False
    assert outside.any()
    np.testing.assert_array_equal(partly[outside], before[outside])
    np.testing.assert_array_equal(before, Dequantizer(network)(first))


def test_a_change_at_the_corner_is_computed_right(network):
    picture = noise(290, 310) // 64 * 64
    changed = picture.copy()
    changed[-1, -1] = changed[-2, -2] + 32
    first, second = frames_of(picture, changed, num_colors=256)
    dequantizer = Dequantizer(network)
    dequantizer(first)
    partly, whole = dequantizer(second), Dequantizer(network)(second)
    # A new colour changes the palette's geometry for all; elsewhere the frame before stays.
    reach = UNet(out_channels=3, **network.module.unet).reach
    near = (slice(290 - reach, None), slice(310 - reach, None))
    assert np.abs(partly[near].astype(int) - whole[near]).max() <= 1


def test_tiles_make_no_difference(network):
    (frame,) = frames_of(noise(150, 170))
    tiled = Dequantizer(network, tile=16)
    shapes = counting(tiled)
    whole = Dequantizer(network)(frame)
    assert np.abs(tiled(frame).astype(int) - whole).max() <= 1
    assert len(shapes) > 2


def test_strength_blends_with_the_gif(network):
    (frame,) = frames_of(noise(16, 20))
    gif = frame.rgb.astype(float)
    np.testing.assert_array_equal(Dequantizer(network, strength=0)(frame), frame.rgb)
    full = directly(network, frame, geometry_by_hand(frame))
    half = Dequantizer(network, strength=0.5)(frame)
    inside = (full > 0) & (full < 255)  # what was clipped cannot be halved
    assert np.abs(half - (gif + full) / 2)[inside].max() <= 1.5


def composite():
    """Two images side by side, one drawn over by a third: each has its own palette."""
    ramp = np.arange(256).reshape(16, 16)
    left = gif_builder.Image(ramp, palette=[(i, 0, 0) for i in range(256)])
    right = gif_builder.Image(ramp, left=16, palette=[(0, i, 255 - i) for i in range(256)])
    over = gif_builder.Image(np.arange(64).reshape(8, 8) % 4, left=12, palette=gif_builder.COLORS)
    return read_gif(gif_builder.build([left, right, over], width=32, height=16)).frames


def offsets(geometry):
    """Of each pixel."""
    return geometry.table[geometry.codes]


def test_geometry_is_that_of_the_image_which_drew_the_pixel(network):
    last = composite()[-1]
    assert len(last.palettes) == 3 and len(np.unique(last.rgb.reshape(-1, 3), axis=0)) > 256
    geometry = offsets(Dequantizer(network).geometry_of(last))
    np.testing.assert_array_equal(geometry[..., :12], geometry_by_hand(last))
    # (row 0, column 12) is red, drawn by the third image: its nearest neighbour there is yellow,
    # or green or blue, and never the shades of red below it.
    np.testing.assert_allclose(geometry[0, 12, :3], [0, 2, 0], atol=1e-6)
    # The second image's pixel has neighbours one step of its own ramp away.
    np.testing.assert_allclose(np.abs(geometry[15, 20, :3]) * 127.5, [0, 1, 1], atol=1e-4)


def test_colours_that_the_frame_does_not_use_do_not_count(network):
    palette = [(0, 0, 0), (10, 0, 0), (200, 0, 0), (0, 0, 0)]
    data = gif_builder.build([gif_builder.Image([[0, 2]])], palette=palette)
    (frame,) = read_gif(data).frames
    geometry = offsets(Dequantizer(network).geometry_of(frame))
    np.testing.assert_allclose(geometry[0, 0, :3] * 127.5, [200, 0, 0], atol=1e-4)


def test_a_composite_of_more_than_256_colours_goes_through(identity, network):
    for frame in composite():
        np.testing.assert_array_equal(Dequantizer(identity)(frame), frame.rgb)
        expected = directly(network, frame, geometry_by_hand(frame))
        assert np.abs(Dequantizer(network)(frame) - expected).max() <= 1


def test_other_guesses_are_moved_to_where_the_gif_allows_them(network, monkeypatch):
    """As the frame looks dithered by then, whatever later frames tell; a box by its place."""
    dequantizer, frame = Dequantizer(network), composite()[-1]
    assert Dequantizer(network, cells=False).mender(frame) is None
    monkeypatch.setattr(CellMover, "kind", None)
    assert dequantizer.mender(frame) is None
    monkeypatch.setattr(CellMover, "kind", "bayer1")
    mend = dequantizer.mender(frame)
    monkeypatch.setattr(CellMover, "kind", "none")
    other, box = noise(16, 32, seed=3), Box(3, 5, 11, 30)
    whole = CellMover().move(other, frame.rgb, dequantizer.geometry_of(frame), "bayer1")
    assert (whole != other).mean() > 0.5
    np.testing.assert_array_equal(mend(other[box.slices], box), whole[box.slices])


def test_transparent_pixels_of_other_guesses_stay(network, monkeypatch):
    palette = [(0, 0, 0), (200, 0, 0), (0, 200, 0), (9, 9, 9)]
    image = gif_builder.Image([[0, 1], [2, 3]], transparent=3)
    (frame,) = read_gif(gif_builder.build([image], palette=palette)).frames
    monkeypatch.setattr(CellMover, "kind", "none")
    other = np.full((2, 2, 3), 255, np.uint8)
    mended = Dequantizer(network).mender(frame)(other, Box(0, 0, 2, 2))
    assert (mended[0, 0] != 255).any() and (mended[1, 1] == 255).all()


def test_colours_beside_the_frames_own_may_be_given(identity):
    """Transparent pixels over a background."""
    (frame,) = frames_of(noise(8, 8))
    other = noise(8, 8, seed=3)
    np.testing.assert_array_equal(Dequantizer(identity)(frame, other), other)


def test_a_network_without_geometry(tmp_path_factory):
    fields = {"composition": "tanh", "unet": UNET}
    variables = random_variables(build_model("ccdnet1", fields), 4)
    plain = make_network(tmp_path_factory, "ccdnet1", fields, variables)
    (frame,) = frames_of(noise(32, 32))
    gif = frame.rgb.astype(np.float32) / 127.5 - 1
    expected = np.round((np.asarray(plain.module.apply(plain.variables, gif[None]))[0] + 1) * 127.5)
    assert np.abs(Dequantizer(plain)(frame) - expected).max() <= 1


def test_ccdnet_k_sees_the_colours_of_the_frame_as_its_palette(tmp_path_factory):
    fields = {"unet": UNET, "unroll": 2, "requantize": True}
    variables = random_variables(build_model("ccdnet", fields), 5)
    stepwise = make_network(tmp_path_factory, "ccdnet", fields, variables)
    (frame,) = frames_of(noise(32, 64))
    colors = np.unique(frame.rgb.reshape(-1, 3), axis=0)
    palette = Palette.from_colors(colors)
    gif = frame.rgb.astype(np.float32) / 127.5 - 1
    results = jax.jit(stepwise.module.apply)(
        stepwise.variables, gif[None], palette.colors[None], np.array([len(colors)], np.int32)
    )
    expected = np.round((np.asarray(results[-1])[0] + 1) * 127.5)
    clean = Dequantizer(stepwise)(frame)
    # f_C jumps where two colours are equally near, so single pixels may differ.
    assert (np.abs(clean - expected) > 1).mean() < 0.01
    # More colours than a palette holds, and another size: nothing breaks.
    assert Dequantizer(stepwise)(composite()[-1]).shape == (16, 32, 3)


def test_ccdnet_k_without_palettes_tiles_too(tmp_path_factory):
    """Its U-Nets look at each other's results, so that it reaches further than one of them."""
    fields = {"unet": UNET, "unroll": 2, "requantize": False}
    variables = random_variables(build_model("ccdnet", fields), 6)
    stepwise = make_network(tmp_path_factory, "ccdnet", fields, variables)
    (frame,) = frames_of(noise(160, 200))
    whole, tiled = Dequantizer(stepwise), Dequantizer(stepwise, tile=16)
    shapes = counting(tiled)
    assert np.abs(tiled(frame).astype(int) - whole(frame)).max() <= 1
    assert len(shapes) > 2


def test_the_tiny_model_keeps_colours(tiny_model):
    network = load_model(tiny_model).dequantizer
    (frame,) = frames_of(noise(5, 7))
    np.testing.assert_array_equal(Dequantizer(network)(frame), frame.rgb)


def test_the_box_of_a_difference():
    first = np.zeros((7, 9, 3), np.uint8)
    assert difference_box(first, first) is None
    second = first.copy()
    second[2, 3, 1] = second[4, 8, 0] = 1
    assert difference_box(first, second) == Box(2, 3, 5, 9)
