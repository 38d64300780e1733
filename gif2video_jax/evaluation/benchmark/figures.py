"""Pictures of the results: crops side by side with error maps, frames in time, slices of time."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from gif2video_jax.evaluation import pictures
from gif2video_jax.evaluation.benchmark import clips as clip_methods
from gif2video_jax.evaluation.benchmark.clips import ClipsRow
from gif2video_jax.evaluation.benchmark.stills import StillsRow

Picture = UInt8[np.ndarray, "h w 3"]

_CROP = 96  # pixels of the original
_SCALE = 2  # that a pixel is drawn at
_ERROR_GAIN = 4
_ROWS = 4
_SLICE_HEIGHT = 160
_DETAIL = 25.0  # variance, in levels squared, that hides nothing


def stills_sheet(row: StillsRow) -> Picture:
    """Crops of a few pictures: GIF, best filter, ours, truth, and errors of the first three.

    Each crop is where the GIF's dots and bands show most, whatever the methods make of it.
    """
    shown = pictures.evenly_spaced(len(row.names), _ROWS)
    methods = ["GIF", *([row.best_filter] if row.best_filter else []), "ours"]
    side = min(_CROP, *(min(row.truths[index].shape[:2]) for index in shown))
    rows = []
    for index in shown:
        truth = row.truths[index]
        where = _worst_square(row.gif.pictures[index], truth, side)
        crops = [row.columns[name].pictures[index][where] for name in methods]
        errors = [error_map(crop, truth[where]) for crop in crops]
        rows.append([_enlarged(part) for part in (*crops, truth[where], *errors)])
    titles = [*methods, "truth", *(f"{name}: error x{_ERROR_GAIN}" for name in methods)]
    return pictures.sheet(rows, titles)


def clip_sheet(row: ClipsRow, index: int) -> Picture:
    """A strip in time: the frames from one key frame to the next, a column a method."""
    names, frames, truth = _tracks(row, index)
    step = row.keep_every
    start = len(truth) // 2 // step * step
    start = min(start, len(truth) - 1 - step)
    times = range(start, start + step + 1)
    side = min(_CROP, *truth[0].shape[:2])
    motion = np.abs(truth[start + step].astype(np.float32) - truth[start]).mean(axis=-1)
    where = _square_at_peak(motion, side)
    rows = [[_enlarged(track[time][where]) for track in (*frames, truth)] for time in times]
    return pictures.sheet(rows, [*names, "truth"])


def slice_sheet(row: ClipsRow, index: int) -> Picture:
    """One row of pixels over time, downwards: a smooth video has smooth slices."""
    names, frames, truth = _tracks(row, index)
    varies = np.std(np.stack(truth).astype(np.float32), axis=0).mean(axis=(1, 2))
    y = int(np.argmax(varies))
    width = min(2 * _CROP, truth[0].shape[1])
    left = (truth[0].shape[1] - width) // 2
    thickness = max(2, _SLICE_HEIGHT // len(truth))
    slices = [
        np.stack([frame[y, left : left + width] for frame in track]).repeat(thickness, axis=0)
        for track in (*frames, truth)
    ]
    return pictures.sheet([slices], [*names, "truth"])


def error_map(picture: Picture, truth: Picture) -> Picture:
    """The difference, four times enlarged."""
    error = np.abs(picture.astype(np.int16) - truth) * _ERROR_GAIN
    return np.minimum(error, 255).astype(np.uint8)


def _tracks(row: ClipsRow, index: int):
    wanted = (
        clip_methods.NEAREST,
        clip_methods.BLENDED,
        clip_methods.FFMPEG,
        clip_methods.FLOW,
        clip_methods.OURS,
    )
    names = [name for name in wanted if name in row.tracks]
    return names, [row.tracks[name].frames[index] for name in names], row.clips[index].frames


def _worst_square(gif: Picture, truth: Picture, side: int) -> tuple[slice, slice]:
    """Where the error's fine part is largest beside the picture's own detail."""
    error = gif.astype(np.float32) - truth
    fine = error - ndimage.uniform_filter(error, (9, 9, 1))
    noise = np.square(fine).mean(axis=-1)
    grey = truth.astype(np.float32).mean(axis=-1)
    detail = ndimage.uniform_filter(np.square(grey - ndimage.uniform_filter(grey, 9)), 9)
    return _square_at_peak(noise / (detail + _DETAIL), side)


def _square_at_peak(values: Float[np.ndarray, "h w"], side: int) -> tuple[slice, slice]:
    """The square with the largest sum."""
    sums = ndimage.uniform_filter(values, side, mode="constant")
    tops = [np.arange(length) - side // 2 for length in values.shape]
    inside = [
        (top >= 0) & (top + side <= length) for top, length in zip(tops, values.shape, strict=True)
    ]
    sums = np.where(inside[0][:, None] & inside[1][None], sums, -1)
    y, x = np.unravel_index(np.argmax(sums), sums.shape)
    top, left = int(tops[0][y]), int(tops[1][x])
    return slice(top, top + side), slice(left, left + side)


def _enlarged(picture: Picture) -> UInt8[np.ndarray, "h2 w2 3"]:
    size = (picture.shape[1] * _SCALE, picture.shape[0] * _SCALE)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))
