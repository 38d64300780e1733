"""Guesses from a frame how it was dithered: not at all, by error diffusion, or by a fixed pattern.

Two statistics, both between 0 and 1, and a small network (`dither_network`), which looks at 256x256
pixels at most. Where detail repeats as an ordered dither's does, that tells; else the network does,
or, of frames too small for it or of two colours, the other statistic.

  alternation   Of three neighbouring pixels in a row that have two colours, near ones of the
                palette, how often is it the middle one that differs (a b a, not a a b)? Smooth
                shades without dither give few, 0.03 to 0.22 (5% to 90% of pictures); error
                diffusion spreads colours evenly, 0.22 and more.
  periodicity   How much of the fine detail repeats every 8 pixels in both directions, as the
                patterns of ordered dithers do (2, 4 or 8 pixels wide)?

`benchmarks/decide.py` prints how often that is right, and the statistics alone. Weak dithers
(ffmpeg's `bayer` at scale 4 and 5, its `atkinson` and `sierra3`) change little and are often taken
for none.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, ImageFilter

from gif2video_jax.gifs.dither_network import MIN_SIDE, bundled_dither_network
from gif2video_jax.gifs.dither_planes import dither_planes
from gif2video_jax.gifs.reader import Frame

DITHER_KINDS = ("none", "error diffusion", "ordered")

_PERIOD = 8
_NEAR = 6  # a colour's so many nearest others are near
_MIN_ALTERNATION = 0.22
_MIN_PERIODICITY = 0.02
_MAX_SIDE = 512  # of the middle part that is looked at
_NETWORK_SIDE = 256  # the same, by the network
_PIECE_SIDE = 128  # of the pieces of it that are looked at one by one
_MIN_PIECE_SIDE = 64
_MIN_PIECE_COLORS = 8
_MAX_COLORS = 1024  # of a composite of many palettes: more are as good as a photograph


def guess_dithering(frame: Frame) -> tuple[str, float]:
    """Guesses how a frame was dithered.

    Args:
      frame: of a GIF; what it drew is looked at, not what earlier frames left.

    Returns:
      One of `DITHER_KINDS`, and how sure that is, 0 to 1; where the network tells, its probability.
    """
    kind, clearness = guess_by_statistics(frame)
    found = dither_probabilities(frame)
    if found is None:
        return kind, clearness
    if kind == "ordered":  # a pattern over the whole frame says more than what is near a pixel
        return kind, max(0.5 + clearness / 2, float(found[DITHER_KINDS.index(kind)]))
    number = int(found.argmax())
    return DITHER_KINDS[number], float(found[number])


def dither_probabilities(frame: Frame) -> Float[np.ndarray, " k"] | None:
    """How likely a frame is of each of `DITHER_KINDS`, as the bundled network says.

    None if the frame drew too few pixels for it, or fewer than three colours.
    """
    return _probabilities(_drawn(frame))


def diffusion_probability(rgb: UInt8[np.ndarray, "h w 3"]) -> float | None:
    """How likely a picture is error-diffused: what the network says, where the statistics agree.

    These take next to no photograph without dither for diffused, the network a few.

    Returns:
      The probability; 0 where the statistics say otherwise, None if the picture is too small for
      the network, or has fewer than three colours.
    """
    found = _probabilities(rgb)
    if found is None:
        return None
    number = DITHER_KINDS.index("error diffusion")
    return float(found[number]) if _by_statistics(rgb)[0] == DITHER_KINDS[number] else 0.0


def _probabilities(rgb: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, " k"] | None:
    rgb = _middle(rgb, _NETWORK_SIDE)
    if min(rgb.shape[:2]) < MIN_SIDE or _few_colors(rgb):
        return None
    return bundled_dither_network().probabilities(dither_planes(rgb))


def most_diffused_piece(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """How likely that part of a picture is error-diffused which looks most like it.

    A photograph on a page of flat colours shows in the piece of 128x128 pixels that it lies in,
    not in the whole. Pieces of fewer than eight colours, or a side below 64 pixels, do not count.

    Returns:
      The bundled network's probability, 0 to 1; 0 if no piece counts.
    """
    rgb = _middle(rgb, _MAX_SIDE)
    found = [0.0]
    for top in range(0, rgb.shape[0], _PIECE_SIDE):
        for left in range(0, rgb.shape[1], _PIECE_SIDE):
            piece = rgb[top : top + _PIECE_SIDE, left : left + _PIECE_SIDE]
            if min(piece.shape[:2]) < _MIN_PIECE_SIDE:
                continue
            codes = piece.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
            if len(np.unique(codes)) >= _MIN_PIECE_COLORS:
                probabilities = bundled_dither_network().probabilities(dither_planes(piece))
                found.append(float(probabilities[DITHER_KINDS.index("error diffusion")]))
    return max(found)


def guess_by_statistics(frame: Frame) -> tuple[str, float]:
    """As `guess_dithering`, by the two statistics alone; how clear they are is from 0 to 1."""
    return _by_statistics(_drawn(frame))


def _by_statistics(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[str, float]:
    rgb = _middle(rgb, _MAX_SIDE)
    found_periodicity = periodicity(rgb)
    if found_periodicity > _MIN_PERIODICITY:
        return "ordered", _clearness(found_periodicity, _MIN_PERIODICITY, 0.2)
    found_alternation = alternation(rgb)
    if found_alternation > _MIN_ALTERNATION:
        return "error diffusion", _clearness(found_alternation, _MIN_ALTERNATION, 0.4)
    return "none", _clearness(-found_alternation, -_MIN_ALTERNATION, -0.1)


def alternation(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """How often, of three pixels of two near colours, the middle one differs; 0 if there is none.

    For colours that fall at random on the pixels this is a third.
    """
    codes = rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    colors, indices = np.unique(codes, return_inverse=True)
    indices = indices.reshape(codes.shape)
    if not 2 <= len(colors) <= _MAX_COLORS:
        return 0.0
    near = _near_colors(np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=1))
    middle, edge = 0, 0
    for lines in (indices, indices.T):
        before, here, after = lines[:, :-2], lines[:, 1:-1], lines[:, 2:]
        middle += int(np.count_nonzero((before == after) & near[before, here]))
        edge += int(np.count_nonzero((before == here) & near[here, after]))
        edge += int(np.count_nonzero((here == after) & near[before, here]))
    return middle / (middle + edge) if middle + edge else 0.0


def periodicity(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """The share of fine detail that an 8x8 pattern explains; about 0 if there is no pattern.

    Only the detail's sign counts, so that a few strong edges don't drown a faint pattern.
    """
    height, width = (side // _PERIOD * _PERIOD for side in rgb.shape[:2])
    if not height or not width:
        return 0.0
    smooth = Image.fromarray(np.ascontiguousarray(rgb)).filter(ImageFilter.BoxBlur(2))
    detail: Float[np.ndarray, "h w"] = np.sign(
        (rgb.astype(np.float32) - np.asarray(smooth, np.float32)).sum(axis=-1)
    )
    cells = detail[:height, :width].reshape(height // _PERIOD, _PERIOD, width // _PERIOD, _PERIOD)
    variance = float(cells.var())
    if variance == 0:
        return 0.0
    by_chance = variance / (cells.size / _PERIOD**2)
    return max(0.0, (float(cells.mean(axis=(0, 2)).var()) - by_chance) / variance)


def _near_colors(colors: Int[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n n"]:
    """Which pairs of different colours are among each other's, or one's, nearest ones."""
    difference = colors[:, None] - colors[None]
    distance = np.square(difference).sum(axis=-1).astype(np.float32)
    np.fill_diagonal(distance, np.inf)
    reach = np.sort(distance, axis=1)[:, min(_NEAR, len(colors) - 1) - 1]
    near = distance <= np.maximum(reach[:, None], reach[None])
    np.fill_diagonal(near, False)
    return near


def _drawn(frame: Frame) -> UInt8[np.ndarray, "h w 3"]:
    """The part of the screen that a frame drew."""
    left, top, width, height = frame.box
    return frame.rgb[top : top + height, left : left + width]


def _middle(rgb: UInt8[np.ndarray, "h w 3"], most: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The middle of a picture, which is enough of a large one."""
    starts = [max(0, side - most) // 2 for side in rgb.shape[:2]]
    return rgb[starts[0] :, starts[1] :][:most, :most]


def _few_colors(rgb: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether a picture has fewer than three colours."""
    others = (rgb != rgb[0, 0]).any(axis=-1)
    second = rgb[others]
    return not len(second) or not (second != second[0]).any()


def _clearness(value: float, threshold: float, certain: float) -> float:
    return min(1.0, (value - threshold) / (certain - threshold))
