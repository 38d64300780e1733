"""`gif2video inpaint`: a video with something on it in, the same video without it out."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.counting import counted
from gif2video_jax.errors import InputError
from gif2video_jax.gifs.reader import scan_gif
from gif2video_jax.gifs.scenes import DEFAULT_THRESHOLD, CutDetector
from gif2video_jax.gifs.timeline import native_rate, normalize_delays
from gif2video_jax.media import VideoReader, open_video, open_writer
from gif2video_jax.pretrained import Model, load_model
from gif2video_jax.restoring import standard_input
from gif2video_jax.restoring.compilation import use_persistent_cache
from gif2video_jax.restoring.holes import HoleBox, open_holes
from gif2video_jax.restoring.inpaint import Inpainter

_MAX_GIF_RATE = 50  # what browsers show


@dataclasses.dataclass(frozen=True, kw_only=True)
class InpaintOptions:
    """Choices for `inpaint_file`; every field has the default of the command line.

    Attributes:
      mask: a picture, video or folder whose white pixels are filled; None for boxes alone.
      boxes: rectangles that are filled: left, top, width, height, in pixels.
      grow: how many pixels holes are made larger on all sides.
      scene_threshold: see `RestoreOptions`.
      model: name of a bundled model.
      weights: folder of weights to use instead of a bundled model.
      crf: see `RestoreOptions`.
      lossless: see `RestoreOptions`.
      format: of the output; None goes by the file's suffix.
      overwrite: whether an existing file may be replaced.
    """

    mask: str | os.PathLike | None = None
    boxes: tuple[HoleBox, ...] = ()
    grow: int = 0
    scene_threshold: float | None = None
    model: str = "default"
    weights: str | os.PathLike | None = None
    crf: int | None = None
    lossless: bool = False
    format: str | None = None
    overwrite: bool = False

    def __post_init__(self):
        """Raises ValueError, naming the option, what was expected and what was given."""
        if self.mask is None and not self.boxes:
            raise ValueError("mask and box: expected one of them, got neither")
        if self.grow < 0:
            raise ValueError(f"grow: expected 0 or more pixels, got {self.grow}")
        if self.crf is not None and self.lossless:
            raise ValueError("crf and lossless: expected one, got both")
        threshold = self.scene_threshold
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"scene_threshold: expected 0 to 1, got {threshold}")


@dataclasses.dataclass(frozen=True)
class InpaintReport:
    """What was done to a video.

    Attributes:
      destination: the output's name.
      width: of the output, pixels.
      height: of the output, pixels.
      frames: of the output.
      duration: of the output, seconds.
      fps: of the output.
      share: of all pixels that were filled, 0 to 1.
      cuts: scene changes that the network did not look across.
      notes: what else a person should know.
    """

    destination: str
    width: int
    height: int
    frames: int
    duration: float
    fps: float
    share: float
    cuts: int
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line."""
        return (
            f"{self.destination}: {self.width}x{self.height}, {counted(self.frames, 'frame')}, "
            f"{self.duration:.2f} s at {self.fps:.4g} fps, {_percent(self.share)} filled in"
        )


def _percent(share: float) -> str:
    """`5.5 %`, `42 %`, `100 %`."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def inpaint_file(
    source: str | os.PathLike,
    destination: str | os.PathLike,
    options: InpaintOptions,
    progress: Callable[[int, int | None], None] | None = None,
) -> InpaintReport:
    """Fills the holes of a video, GIF, animated picture or folder of pictures.

    Frames keep their times: where these vary, a frame is repeated while it is shown.

    Args:
      source: what to read, see `media.open_video`; "-" for standard input.
      destination: what to write; its suffix chooses the format (see `media.open_writer`).
      options: see `InpaintOptions`.
      progress: told about each frame of the source: how many are done, and of how many.

    Raises:
      InputError: the video or the mask cannot be read or do not fit, the model has no inpainter,
        or the output cannot be written.
    """
    with standard_input.as_path(source) as path, open_video(path) as video:
        pace = _Pace(video)
        width, height = video.width, video.height
        with open_holes(
            options.mask, options.boxes, width=width, height=height, grow=options.grow
        ) as masks:
            use_persistent_cache()
            model = load_model(options.weights if options.weights is not None else options.model)
            inpainter = inpainter_of(model, scene_threshold=options.scene_threshold)
            shares: list[float] = []

            def measured():
                for mask in masks:
                    shares.append(float(mask.mean()))
                    yield mask

            with open_writer(
                destination,
                width=width,
                height=height,
                rate=pace.rate,
                crf=options.crf,
                lossless=options.lossless,
                format=options.format,
                overwrite=options.overwrite,
            ) as writer:
                filled = inpainter.fill(pace.frames(), measured())
                for number, frame in enumerate(filled):
                    for _ in range(pace.repeats(number)):
                        writer.write(frame)
                    if progress is not None:
                        progress(number + 1, video.num_frames)
    return InpaintReport(
        destination=writer.name,
        width=width,
        height=height,
        frames=writer.num_frames,
        duration=float(writer.duration),
        fps=float(pace.rate),
        share=float(np.mean(shares)) if shares else 0.0,
        cuts=inpainter.num_cuts,
        notes=(writer.padding_note,) if writer.padding_note else (),
    )


def inpaint(
    frames: Sequence[UInt8[np.ndarray, "h w 3"]] | UInt8[np.ndarray, "t h w 3"],
    mask: np.ndarray,
    *,
    model: str | os.PathLike = "default",
) -> UInt8[np.ndarray, "t h w 3"]:
    """Fills the holes of frames in memory.

    Args:
      frames: RGB, [0, 255].
      mask: bool, True in holes: (h, w) for all frames, or (t, h, w).
      model: name of a bundled model, or a folder.

    Returns:
      The frames; outside holes they hold what was given, bit for bit.

    Raises:
      InputError: there is no such model, or it has no inpainter.
      ValueError: the mask does not fit the frames.
    """
    use_persistent_cache()
    video = np.asarray(frames)
    holes = np.asarray(mask, bool)
    if holes.ndim == 2:
        holes = np.broadcast_to(holes, (len(video), *holes.shape))
    if holes.shape != video.shape[:3]:
        raise ValueError(f"mask: expected shape {video.shape[:3]}, got {holes.shape}")
    return np.stack(list(inpainter_of(load_model(model)).fill(video, holes)))


def inpainter_of(model: Model, *, scene_threshold: float | None = None) -> Inpainter:
    """The model's inpainter, which looks across no cut.

    Raises:
      InputError: it has none.
    """
    if model.inpainter is None:
        raise InputError(
            f"{model.name}: has no inpainter; give --weights a folder that holds "
            "inpainter.safetensors (docs/inpainting.md says how one is trained)"
        )
    threshold = DEFAULT_THRESHOLD if scene_threshold is None else scene_threshold
    return Inpainter(model.inpainter, cut_detector=CutDetector(threshold))


class _Pace:
    """When frames are shown, at a steady rate.

    Attributes:
      rate: of the output, frames a second.
    """

    def __init__(self, video: VideoReader):
        self._video = video
        self.rate = video.rate
        self._times: list[Fraction] = []
        self._end: Fraction | None = None
        if _is_gif(video.name):
            delays = normalize_delays(scan_gif(video.name).delays_ms)
            self.rate = _steady_rate(delays)
            self._end = sum(delays, Fraction(0))

    def frames(self) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """The video's frames; remembers their times."""
        size = (self._video.height, self._video.width)
        for time, frame in self._video.timed():
            if frame.shape[:2] != size:
                raise InputError(
                    f"{self._video.name}: a frame of {frame.shape[1]}x{frame.shape[0]} follows "
                    f"frames of {size[1]}x{size[0]}, expected one size"
                )
            self._times.append(time)
            yield frame

    def repeats(self, number: int) -> int:
        """How often a frame is written; for the last one once all have been read."""
        start = _nearest(self._times[number] * self.rate)
        if number + 1 < len(self._times):
            return max(0, _nearest(self._times[number + 1] * self.rate) - start)
        return 1 if self._end is None else max(1, _nearest(self._end * self.rate) - start)


def _is_gif(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(3) == b"GIF"


def _steady_rate(delays: Sequence[Fraction]) -> Fraction:
    """The rate at which each delay is a whole number of frames, or the native one if too high."""
    hundredths = math.gcd(*(int(delay * 100) for delay in delays))
    rate = Fraction(100, hundredths)
    return rate if rate <= _MAX_GIF_RATE else native_rate(delays)


def _nearest(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))
