"""Dithers: from a picture and a palette to the index of each pixel.

`none` and the Bayer dithers map to the exactly nearest colour (squared RGB distance, the first
index on a tie), in NumPy. `floyd_steinberg` is Pillow's; the other error diffusions are those of
ffmpeg's `paletteuse`, through PyAV.
"""

from fractions import Fraction

import numpy as np
from jaxtyping import Float32, Int16, Int32, UInt8
from PIL import Image

from gif2video_jax.gifs.palette import Palette

# Colours compared in one step: their numbers take the lowest 6 of a float32's 24 bits.
_BITS = 6
_GROUP = 1 << _BITS
# Distances at a time: they stay in the processor's cache, and the product is too small for the
# linear algebra library to start threads, which would fight with other data workers'.
_BLOCK = 1 << 16


def nearest_indices(
    image: UInt8[np.ndarray, "h w 3"], palette: Palette
) -> UInt8[np.ndarray, "h w"]:
    """f_C of the paper: the index of the nearest of the palette's colours for each pixel.

    Exact argmin of the squared RGB distance over the first `num_colors` entries; the first index
    on a tie.
    """
    height, width, _ = image.shape
    # |x - c|^2 without |x|^2, which is the same for every colour, as one product, times 64, plus
    # the colour's number: the least of these tells distance and index at once, and a minimum is
    # much faster than its place. Around 128 the terms add up to less than 64 * 3 * 2**16 < 2**24,
    # so that float32 holds every sum exactly, in any order.
    colors = palette.colors[: palette.num_colors].astype(np.float32) - 128
    squares = np.square(colors).sum(axis=1)
    numbers = np.arange(len(colors)) % _GROUP
    factors = np.column_stack([-2 * _GROUP * colors, _GROUP * squares + numbers])
    factors = factors.astype(np.float32)
    pixels = np.ones((4, height * width), np.float32)
    np.subtract(image.reshape(-1, 3).T, np.float32(128), out=pixels[:3])
    indices = np.empty(height * width, np.uint8)
    block = _BLOCK // min(len(colors), _GROUP)
    for start in range(0, len(indices), block):
        part = slice(start, start + block)
        indices[part] = _least(factors, pixels[:, part])
    return indices.reshape(height, width)


def _least(
    factors: Float32[np.ndarray, "k 4"], pixels: Float32[np.ndarray, "4 n"]
) -> Int32[np.ndarray, " n"]:
    """The place of the smallest distance of each pixel, group after group of colours."""
    least = (factors[:_GROUP] @ pixels).min(axis=0).astype(np.int32)
    indices = least & (_GROUP - 1)
    for first in range(_GROUP, len(factors), _GROUP):
        found = (factors[first : first + _GROUP] @ pixels).min(axis=0).astype(np.int32)
        nearer = found >> _BITS < least >> _BITS  # An equal distance: the earlier group's.
        indices[nearer] = (found[nearer] & (_GROUP - 1)) + first
        least[nearer] = found[nearer]
    return indices


def bayer(
    image: UInt8[np.ndarray, "h w 3"], palette: Palette, scale: int
) -> UInt8[np.ndarray, "h w"]:
    """Ordered dither with an 8x8 Bayer matrix of strength `scale`, 0 (strongest) to 5.

    The matrix and its use are those of ffmpeg's `paletteuse=dither=bayer:bayer_scale=N`; the
    nearest colour is measured in RGB, as ffmpeg did before version 6 (since then in Oklab).
    """
    height, width, _ = image.shape
    offsets = np.tile(bayer_matrix(scale), (height // 8 + 1, width // 8 + 1))
    shifted = image.astype(np.int16) + offsets[:height, :width, None]
    return nearest_indices(np.clip(shifted, 0, 255).astype(np.uint8), palette)


def floyd_steinberg(
    image: UInt8[np.ndarray, "h w 3"], palette: Palette
) -> UInt8[np.ndarray, "h w"]:
    """Pillow's Floyd-Steinberg error diffusion; exact where the palette has every pixel's colour.

    Pillow looks up colours with the two lowest bits of each channel cleared, and so would spread
    errors where there are none.
    """
    exact = _exact_indices(image, palette)
    if exact is not None:
        return exact
    table = Image.new("P", (1, 1))
    table.putpalette(palette.colors[: palette.num_colors].tobytes())
    picture = Image.fromarray(np.ascontiguousarray(image))
    # Pillow dithers only when it is given the palette.
    return np.array(picture.quantize(palette=table, dither=Image.Dither.FLOYDSTEINBERG))


def _exact_indices(
    image: UInt8[np.ndarray, "h w 3"], palette: Palette
) -> UInt8[np.ndarray, "h w"] | None:
    """The index of each pixel's own colour, or None if the palette lacks one of them."""
    pixels = image.reshape(1, -1, 3)
    # A sparse look settles almost every photograph.
    for seen in (pixels[:, :: pixels.shape[1] // 256 + 1], pixels):
        indices = nearest_indices(seen, palette)
        if not np.array_equal(palette.colors[indices], seen):
            return None
    return indices.reshape(image.shape[:2])


def paletteuse(
    image: UInt8[np.ndarray, "h w 3"], palette: Palette, dither: str
) -> UInt8[np.ndarray, "h w"]:
    """One of the error diffusions of ffmpeg's `paletteuse` filter, through PyAV.

    The libraries that PyAV brings (ffmpeg 6 and later) find the nearest colour in Oklab.
    """
    import av  # Only here and in palettegen: the rest works where PyAV is missing.

    height, width, _ = image.shape
    time_base = Fraction(1, 25)
    graph = av.filter.Graph()
    bgra = av.VideoFormat("bgra")
    source = graph.add_buffer(width=width, height=height, format=bgra, time_base=time_base)
    table = graph.add_buffer(width=16, height=16, format=bgra, time_base=time_base)
    use = graph.add("paletteuse", f"dither={dither}")
    source.link_to(use, 0, 0)
    table.link_to(use, 0, 1)
    use.link_to(graph.add("buffersink"))
    graph.configure()
    entries = palette.colors.copy()
    entries[palette.num_colors :] = palette.colors[0]
    for node, pixels in ((table, entries.reshape(16, 16, 3)), (source, image)):
        opaque = np.full((*pixels.shape[:2], 4), 255, np.uint8)
        opaque[..., :3] = pixels[..., ::-1]
        frame = av.VideoFrame.from_ndarray(opaque, format="bgra")
        frame.pts, frame.time_base = 0, time_base
        node.push(frame)
        node.push(None)
    drawn, used = graph.vpull().planes
    rows = np.asarray(memoryview(drawn)).reshape(-1, drawn.line_size)
    colors = np.asarray(memoryview(used))[: 256 * 4].reshape(256, 4)[:, 2::-1]
    # The filter sorts the palette that it is given; lead back to the first entry of each colour.
    back = nearest_indices(colors[None], palette)[0]
    return back[rows[:height, :width]]


def bayer_matrix(scale: int) -> Int16[np.ndarray, "8 8"]:
    """What ffmpeg's ordered dither adds to a pixel, by its place (libavfilter/vf_paletteuse.c).

    Args:
      scale: 0 (strongest) to 5.
    """
    position = np.arange(64)
    mixed = position ^ position >> 3
    value = (
        (position & 4) >> 2
        | (mixed & 4) >> 1
        | (position & 2) << 1
        | (mixed & 2) << 2
        | (position & 1) << 4
        | (mixed & 1) << 5
    )
    return ((value >> scale) - (1 << (5 - scale))).astype(np.int16).reshape(8, 8)
