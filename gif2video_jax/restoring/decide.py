"""Decides whether a GIF's colours were reduced, so that there is something to restore.

Pixel art, line art, charts and screen captures mostly have few colours to begin with; a network
that was taught photographs would only blur them. Five tests, in this order, each with its reason:

  1. Too few pixels or colours to tell: left alone.
  2. Every pixel is a block of N x N equal ones: pixel art, enlarged.
  3. Nothing is missing. Either neighbouring pixels hardly differ where they differ: a smooth
     gradient, as fine as bytes can be. Or the colours are as close to each other as they can be,
     and no ordered dither (whose pattern may be stronger than the palette is coarse) lies over
     them: a photograph in grey, a noisy heat map.
  4. Evenness against steps. A quantiser spreads a photograph's pixels evenly over its palette, and
     neighbouring pixels differ by a small step, as shades do. Drawings have a background colour,
     and edges from any colour to any other.
  5. Dithered parts. On a page of text a photograph is the smaller part, and its dither is still to
     be mended: so drawings of which the dither classifier is sure that a part is error-diffused.

The weights of the fourth test come from a logistic regression on some 700 GIFs: crops of
photographs and renderings by every quantiser and dither of the maker, and of screenshots, diagrams,
game tiles and icons that have few colours in truth. `benchmarks/decide.py` prints how often it is
right.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, UInt8

from gif2video_jax.counting import counted
from gif2video_jax.gifs.dithering import most_diffused_piece, periodicity
from gif2video_jax.gifs.palette import MAX_COLORS
from gif2video_jax.gifs.reader import Frame

_MIN_PIXELS = 1024
_MIN_COLORS = 3
_MAX_SIDE = 1024  # of the middle part that is looked at
_MOST_FREQUENT = 512  # colours between which distances are measured
_FINE_DISTANCE = 2.2  # in RGB; neighbouring levels of grey are 1.7 apart
_SMALL_STEP = 4.0  # in RGB; two levels of grey and less
_PATTERN = 0.1  # periodicity of an ordered dither that is too strong to be overlooked
_BLOCK_SIDES = range(2, 17)
_BLOCK_SHARE = 0.97  # of the changes from pixel to pixel that lie on the blocks' grid
_EVENNESS_WEIGHT, _STEP_WEIGHT, _OFFSET = 9.5, -1.5, -0.4
# Of error diffusion; drawings and icons that have none reach 0.8.
_SURE = 0.9
_MIN_EVENNESS = 0.5  # shaded buttons on a plain page have less, at steps as small as a photograph's


@dataclasses.dataclass(frozen=True)
class ColorStatistics:
    """What one frame's opaque pixels tell.

    Attributes:
      num_pixels: how many were looked at.
      num_colors: how many different ones they have.
      block: side of the blocks of equal pixels that they come in; 1 if none.
      fineness: RGB distance from a pixel's colour to the nearest other one, the mean over pixels.
      evenness: entropy of the colours' frequencies, 1 if all are equally frequent, 0 if one rules.
      step: RGB distance between neighbouring pixels that differ, the median.
      large_step: the same, exceeded by a quarter of them.
      pattern: how much of the fine detail repeats every 8 pixels (see `dithering.periodicity`).
    """

    num_pixels: int
    num_colors: int
    block: int
    fineness: float
    evenness: float
    step: float
    large_step: float = 0.0
    pattern: float = 0.0


def should_dequantize(frames: Sequence[Frame]) -> tuple[bool, str]:
    """Decides whether a GIF's colours look reduced.

    Args:
      frames: one or more frames of the GIF; a few that are spread over it do.

    Returns:
      Whether to restore colours, and why, as a clause for people.

    Raises:
      ValueError: without frames.
    """
    if not frames:
        raise ValueError("frames: expected at least one, got none")
    found = [color_statistics(frame.rgb, frame.alpha) for frame in frames]
    num_pixels = max(one.num_pixels for one in found)
    num_colors = max(one.num_colors for one in found)
    if num_pixels < _MIN_PIXELS:
        return False, f"too small to tell ({counted(num_pixels, 'pixel')})"
    if num_colors < _MIN_COLORS:
        return False, f"{counted(num_colors, 'colour')} only"
    # A blank frame, at the start or in a fade, says nothing.
    found = [one for one in found if one.num_colors >= _MIN_COLORS]
    block = min(one.block for one in found)
    if block > 1:
        return False, f"enlarged pixel art: every pixel is a block of {block}x{block}"
    evenness = float(np.mean([one.evenness for one in found]))
    step = float(np.mean([one.step for one in found]))
    if all(one.large_step < _SMALL_STEP or _is_fine(one) for one in found):
        return False, f"colours are finely graded already (steps of {step:.0f})"
    seen = f"(evenness {evenness:.2f}, steps of {step:.0f})"
    if reduction_score(evenness, step) > 0:
        return True, f"colours look reduced from more {seen}"
    diffused = max(most_diffused_piece(frame.rgb) for frame in frames)
    if diffused >= _SURE:
        return True, f"a part looks dithered by error diffusion (confidence {diffused:.2f})"
    return False, f"colours look as they were drawn {seen}"


def _is_fine(found: ColorStatistics) -> bool:
    """Whether the palette is as fine as bytes are, and no pattern stronger than it is in use."""
    whole = found.num_colors <= MAX_COLORS  # composites of many palettes are another matter
    return whole and found.fineness < _FINE_DISTANCE and found.pattern < _PATTERN


def reduction_score(evenness: float, step: float) -> float:
    """Above 0 if colours with this `evenness` and `step` look reduced; see the module."""
    if evenness < _MIN_EVENNESS:
        return -1.0
    return _EVENNESS_WEIGHT * evenness + _STEP_WEIGHT * float(np.log1p(step)) + _OFFSET


def color_statistics(
    rgb: UInt8[np.ndarray, "h w 3"], alpha: Bool[np.ndarray, "h w"] | None = None
) -> ColorStatistics:
    """Measures one frame.

    Args:
      rgb: its colours.
      alpha: True where it is opaque; None if all of it is.
    """
    rgb, opaque = _middle(rgb), None if alpha is None else _middle(alpha)
    codes = rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    visible = codes if opaque is None else codes[opaque]
    colors, counts = np.unique(visible, return_counts=True)
    if len(colors) < 2:
        return ColorStatistics(visible.size, len(colors), 1, 0.0, 0.0, 0.0)
    shares = counts / counts.sum()
    entropy = -float(np.sum(shares * np.log2(shares)))
    step, large_step = _steps(rgb, opaque)
    return ColorStatistics(
        num_pixels=visible.size,
        num_colors=len(colors),
        block=_block_side(codes),
        fineness=_fineness(colors, counts),
        evenness=entropy / np.log2(len(colors)),
        step=step,
        large_step=large_step,
        pattern=periodicity(rgb),
    )


def _fineness(colors: Int[np.ndarray, " n"], counts: Int[np.ndarray, " n"]) -> float:
    """The mean over pixels of the distance from their colour to the nearest other one."""
    frequent = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
    codes, weights = colors[frequent], counts[frequent]
    table = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    squared = np.square(table[:, None] - table[None]).sum(axis=-1).astype(np.float64)
    np.fill_diagonal(squared, np.inf)
    return float(np.average(np.sqrt(squared.min(axis=1)), weights=weights))


def _steps(
    rgb: UInt8[np.ndarray, "h w 3"], opaque: Bool[np.ndarray, "h w"] | None
) -> tuple[float, float]:
    """Median and upper quartile of the RGB distance of neighbours that differ; 0 if none do."""
    values = rgb.astype(np.int32)
    distances = []
    for axis in (0, 1):
        step = np.sqrt(np.square(np.diff(values, axis=axis)).sum(axis=-1))
        if opaque is not None:
            both = opaque[1:] & opaque[:-1] if axis == 0 else opaque[:, 1:] & opaque[:, :-1]
            step = step[both]
        distances.append(step[step > 0])
    steps = np.concatenate(distances)
    if not steps.size:
        return 0.0, 0.0
    median, upper = np.quantile(steps, [0.5, 0.75])
    return float(median), float(upper)


def _block_side(codes: Int[np.ndarray, "h w"]) -> int:
    """The largest side of square blocks of equal pixels that the picture is made of, or 1."""
    across = np.count_nonzero(codes[:, 1:] != codes[:, :-1], axis=0)
    down = np.count_nonzero(codes[1:] != codes[:-1], axis=1)
    sides = [side for side in _BLOCK_SIDES if _on_grid(across, side) and _on_grid(down, side)]
    return max(sides, default=1)


def _on_grid(changes: Int[np.ndarray, " n"], side: int) -> bool:
    """Whether nearly all changes from one pixel to the next are `side` pixels apart."""
    total = int(changes.sum())
    if total == 0 or len(changes) < 2 * side:
        return False
    return max(int(changes[phase::side].sum()) for phase in range(side)) > _BLOCK_SHARE * total


def _middle(array: np.ndarray) -> np.ndarray:
    """The middle of a picture, which is enough of a large one."""
    starts = [max(0, side - _MAX_SIDE) // 2 for side in array.shape[:2]]
    return array[starts[0] :, starts[1] :][:_MAX_SIDE, :_MAX_SIDE]
