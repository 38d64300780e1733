"""Measures a restored video against the truth, frame by frame, and shows both side by side."""

import dataclasses
import math
import os
from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.counting import counted
from gif2video_jax.errors import InputError
from gif2video_jax.evaluation import pictures
from gif2video_jax.evaluation.metrics import ClipScore
from gif2video_jax.media import VideoReader, open_video, open_writer

Picture = UInt8[np.ndarray, "h w 3"]

_ROWS = 5  # frames that a picture shows
_AMPLIFICATION = 4  # of the difference that a picture shows


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare_files` found; `str()` is the table that people read.

    Attributes:
      restored: name of the video.
      reference: name of the truth.
      score: of each frame, and of all.
    """

    restored: str
    reference: str
    score: ClipScore

    def as_dict(self) -> dict:
        """The result for programs: plain values; a PSNR of equal frames, infinite, is None."""
        return {
            "restored": self.restored,
            "reference": self.reference,
            "num_frames": len(self.score.frames),
            "psnr": _finite(self.score.psnr),
            "ssim": self.score.ssim,
            "clip_psnr": _finite(self.score.temporal_psnr),
            "frames": [
                {"psnr": _finite(frame.psnr), "ssim": frame.ssim} for frame in self.score.frames
            ],
        }

    def __str__(self) -> str:
        """A line a frame, then the means."""
        lines = [f"{'frame':>5}  {'PSNR':>6}  {'SSIM':>6}"]
        for index, frame in enumerate(self.score.frames):
            lines.append(f"{index:5}  {_decibels(frame.psnr)}  {_similarity(frame.ssim)}")
        lines.append(f" mean  {_decibels(self.score.psnr)}  {_similarity(self.score.ssim)}")
        lines.append(f" clip  {_decibels(self.score.temporal_psnr)}  (one error over all frames)")
        return "\n".join(lines)


def compare_files(
    restored: str | os.PathLike,
    reference: str | os.PathLike,
    side_by_side: str | os.PathLike | None = None,
) -> Comparison:
    """Compares two videos of one size and number of frames.

    Args:
      restored: what `open_video` reads: a video, a GIF, a folder of pictures.
      reference: the truth, likewise.
      side_by_side: also write both beside each other to this file: a PNG of some frames with the
        difference four times enlarged, or a video of all. An existing file is replaced.

    Raises:
      InputError: a file cannot be read, or sizes or numbers of frames differ.
    """
    score = ClipScore()
    with open_video(restored) as ours, open_video(reference) as truth:
        for image, true_image in matching_frames(ours, truth):
            score.add(image, true_image)
        result = Comparison(ours.name, truth.name, score)
    if side_by_side is not None:
        show_side_by_side(restored, reference, side_by_side, len(score.frames))
    return result


def matching_frames(ours: VideoReader, truth: VideoReader) -> Iterator[tuple[Picture, Picture]]:
    """Yields the frames of two videos in pairs.

    Raises:
      InputError: their sizes differ (before the first pair), or their numbers of frames (after the
        last pair).
    """
    if (ours.width, ours.height) != (truth.width, truth.height):
        raise InputError(
            f"{ours.name} is {ours.width}x{ours.height} pixels, {truth.name} is "
            f"{truth.width}x{truth.height}; expected one size"
        )
    end = object()
    count = 0
    while True:
        image, true_image = next(ours, end), next(truth, end)
        if image is end or true_image is end:
            break
        count += 1
        yield image, true_image  # type: ignore[misc]
    extra = [count + (image is not end) + sum(1 for _ in ours)]
    extra += [count + (true_image is not end) + sum(1 for _ in truth)]
    if extra[0] != extra[1]:
        raise InputError(
            f"{ours.name} has {counted(extra[0], 'frame')}, {truth.name} has {extra[1]}; "
            f"expected as many (`gif2video restore --fps {float(truth.rate):g}` gives the truth's "
            "rate)"
        )


def show_side_by_side(
    restored: str | os.PathLike,
    reference: str | os.PathLike,
    output: str | os.PathLike,
    num_frames: int,
) -> None:
    """Writes two videos beside each other: a PNG of some frames, or a video of all.

    Raises:
      InputError: the output's suffix is not one of a picture or a video, or it can't be written.
    """
    with open_video(restored) as ours, open_video(reference) as truth:
        pairs = matching_frames(ours, truth)
        if os.fspath(output).lower().endswith(".png"):
            shown = set(pictures.evenly_spaced(num_frames, _ROWS))
            rows = [
                (image, true_image, _difference(image, true_image))
                for index, (image, true_image) in enumerate(pairs)
                if index in shown
            ]
            titles = ("restored", "reference", f"difference, {_AMPLIFICATION} times")
            pictures.write_png(output, pictures.sheet(rows, titles))
            return
        width = 2 * ours.width + pictures.GAP
        with open_writer(
            output, width=width, height=ours.height, rate=truth.rate, overwrite=True
        ) as writer:
            for pair in pairs:
                writer.write(pictures.beside(pair))


def _difference(image: Picture, reference: Picture) -> Picture:
    error = np.abs(image.astype(np.int16) - reference) * _AMPLIFICATION
    return np.minimum(error, 255).astype(np.uint8)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _decibels(value: float) -> str:
    return f"{value:6.2f}" if math.isfinite(value) else " equal"


def _similarity(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.4f}"
