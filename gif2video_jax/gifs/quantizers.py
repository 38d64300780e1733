"""Quantisers: from pictures to a palette of at most `num_colors` colours.

Every quantiser sees the pixels of all the images that it is given as one set, so that the same
function makes a frame's palette and a clip's. Pictures that hold no more distinct colours than
asked for get exactly those, whatever the quantiser.
"""

from fractions import Fraction

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.gifs.palette import MAX_COLORS


def distinct_colors(
    images: UInt8[np.ndarray, "n h w 3"], at_most: int
) -> UInt8[np.ndarray, "k 3"] | None:
    """The distinct colours in ascending (R, G, B) order, or None if more than `at_most`."""
    pixels = images.reshape(-1, 3)
    # A sparse look settles almost every photograph; only flat pictures pay for the full count.
    step = max(1, len(pixels) // 4096)
    for part in (pixels[::step], pixels):
        codes = np.unique(_color_codes(part))
        if len(codes) > at_most:
            return None
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)


def median_cut(images: UInt8[np.ndarray, "n h w 3"], num_colors: int) -> UInt8[np.ndarray, "k 3"]:
    """Pillow's median cut (Heckbert 1982): halves the box with the longest side at its median."""
    return _pillow_quantize(images, num_colors, Image.Quantize.MEDIANCUT)


def octree(images: UInt8[np.ndarray, "n h w 3"], num_colors: int) -> UInt8[np.ndarray, "k 3"]:
    """Pillow's fast octree: the most frequent cells of a coarse colour grid. Very fast, rough."""
    return _pillow_quantize(images, num_colors, Image.Quantize.FASTOCTREE)


def palettegen(images: UInt8[np.ndarray, "n h w 3"], num_colors: int) -> UInt8[np.ndarray, "k 3"]:
    """The palette of ffmpeg's `palettegen` filter, through PyAV, without a transparent entry.

    A cut of the box with the largest variance at its weighted median; ffmpeg before version 6
    measures in RGB, later ones (PyAV's) in Oklab.
    """
    import av  # Only here and in paletteuse: the other quantisers work where PyAV is missing.

    _, height, width, _ = images.shape
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=Fraction(1, 25))
    convert = graph.add("format", "rgb32")
    generate = graph.add("palettegen", f"max_colors={num_colors}:reserve_transparent=0")
    sink = graph.add("buffersink")
    source.link_to(convert)
    convert.link_to(generate)
    generate.link_to(sink)
    graph.configure()
    for time, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = time, Fraction(1, 25)
        source.push(frame)
    source.push(None)
    bgra = sink.pull().to_ndarray(format="bgra").reshape(-1, 4)
    # The filter fills the rest of its 256 entries with copies; the first of each is the colour.
    colors = bgra[:, 2::-1]
    _, first = np.unique(_color_codes(colors), return_index=True)
    return colors[np.sort(first)[:num_colors]]


def _pillow_quantize(images, num_colors, method):
    n, height, width, _ = images.shape
    picture = Image.fromarray(np.ascontiguousarray(images).reshape(n * height, width, 3))
    table = picture.quantize(num_colors, method=method).getpalette("RGB")
    if not table:
        raise RuntimeError("Pillow made a picture without a palette")
    colors = np.asarray(table, np.uint8).reshape(-1, 3)
    return colors[: min(num_colors, MAX_COLORS)]


def _color_codes(pixels: UInt8[np.ndarray, "k 3"]) -> np.ndarray:
    """One int32 a pixel: 0xRRGGBB."""
    wide = pixels.astype(np.int32)
    return wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2]
