"""The main job: a GIF in, a clean and smooth video out.

scan the file's structure -> lay out the time line -> decide what to do -> stream the frames
"""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.reader import Frame, GifInfo, GifReader, open_gif, scan_gif
from gif2video_jax.gifs.scenes import DEFAULT_THRESHOLD, CutDetector
from gif2video_jax.gifs.timeline import Timeline, native_rate, normalize_delays
from gif2video_jax.media import format_of, open_writer
from gif2video_jax.pretrained import Model, load_model
from gif2video_jax.restoring import standard_input
from gif2video_jax.restoring.averaging import Averager
from gif2video_jax.restoring.compilation import use_persistent_cache
from gif2video_jax.restoring.decide import should_dequantize
from gif2video_jax.restoring.dequantize import Dequantizer
from gif2video_jax.restoring.holes import open_holes
from gif2video_jax.restoring.inpaint import Inpainter
from gif2video_jax.restoring.inpaint_file import inpainter_of
from gif2video_jax.restoring.interpolate import Interpolator
from gif2video_jax.restoring.options import RestoreOptions
from gif2video_jax.restoring.stream import FrameStream

Progress = Callable[[int, int], None]
"""Called with how many output frames are done and how many there will be."""

_FRAMES_TO_JUDGE = 3
_FRAMES_TO_LOOK_THROUGH = 60


@dataclasses.dataclass(frozen=True, eq=False)
class Video:
    """A restored GIF in memory.

    Attributes:
      frames: RGB, or RGBA if the GIF is transparent somewhere, [0, 255].
      times: when each is shown, in seconds.
      fps: frames a second.
    """

    frames: UInt8[np.ndarray, "t h w c"]
    times: list[float]
    fps: float


@dataclasses.dataclass(frozen=True)
class Report:
    """What was done to a GIF.

    Attributes:
      source: the GIF's name.
      destination: the output's.
      width: of the output, pixels.
      height: of the output, pixels.
      gif_frames: frames of the GIF.
      gif_duration: sum of its normalised delays, seconds.
      frames: of the output.
      duration: of the output, seconds.
      fps: of the output.
      dequantized: whether the colours went through a network.
      reason: why, or why not.
      cuts: scene changes that were not morphed across.
      notes: what else a person should know: problems of the file, an edge repeated.
    """

    source: str
    destination: str
    width: int
    height: int
    gif_frames: int
    gif_duration: float
    frames: int
    duration: float
    fps: float
    dequantized: bool
    reason: str
    cuts: int
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line: the video beside the GIF."""
        colors = "colours restored" if self.dequantized else f"colours kept ({self.reason})"
        return (
            f"{self.destination}: {self.width}x{self.height}, {self.frames} frames, "
            f"{self.duration:.2f} s at {self.fps:.4g} fps "
            f"(GIF: {self.gif_frames} frames, {self.gif_duration:.2f} s), {colors}"
        )


def restore_file(
    source: str | os.PathLike,
    destination: str | os.PathLike,
    options: RestoreOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Restores a GIF file to a video file.

    Args:
      source: the GIF, or "-" for standard input.
      destination: the video; its suffix chooses the format (see `media.open_writer`).
      options: see `RestoreOptions`.
      progress: told about each frame.

    Raises:
      InputError: the GIF cannot be read, or the output cannot be written.
    """
    options = options or RestoreOptions()
    output_format = format_of(destination, options.format)
    with plan_restoration(source, options, may_have_alpha=output_format.alpha) as plan:
        info, timeline = plan.info, plan.timeline
        with open_writer(
            destination,
            width=info.width,
            height=info.height,
            rate=timeline.rate,
            alpha=plan.alpha,
            crf=options.crf,
            lossless=options.lossless,
            format=options.format,
            loop_count=info.loop_count,
            overwrite=options.overwrite,
            num_frames=timeline.num_output_frames,
        ) as writer:
            for done, frame in enumerate(plan.stream, start=1):
                writer.write(frame)
                if progress is not None:
                    progress(done, timeline.num_output_frames)
        # Damage within an image only shows when it is decoded.
        problems = dict.fromkeys([*info.problems, *plan.reader.problems])
        notes = [f"{info.name}: {problem}" for problem in problems]
        if writer.padding_note:
            notes.append(writer.padding_note)
        return Report(
            source=info.name,
            destination=writer.name,
            width=info.width,
            height=info.height,
            gif_frames=len(info.frames),
            gif_duration=float(sum(timeline.durations)),
            frames=writer.num_frames,
            duration=float(writer.duration),
            fps=float(timeline.rate),
            dequantized=plan.dequantized,
            reason=plan.reason,
            cuts=plan.stream.num_cuts,
            notes=tuple(notes),
        )


def restore(source: str | os.PathLike, **options: Any) -> Video:
    """Restores a GIF file to frames in memory.

    Args:
      source: the GIF.
      **options: fields of `RestoreOptions`; `fps`, `multiplier`, `start` and `end` may be any
        numbers. Those that only concern files have no effect.

    Raises:
      InputError: the GIF cannot be read.
    """
    for name in ("fps", "multiplier", "start", "end"):
        if options.get(name) is not None:
            options[name] = Fraction(options[name]).limit_denominator(1_000_000)
    with plan_restoration(source, RestoreOptions(**options), may_have_alpha=True) as plan:
        frames = np.stack(list(plan.stream))
    times = [float(time) for time in plan.timeline.output_times]
    return Video(frames, times, float(plan.timeline.rate))


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Everything decided before the first frame is made.

    Attributes:
      info: the GIF's structure.
      reader: of its frames; after the last one its `problems` are complete.
      timeline: of the output.
      stream: yields the output frames.
      alpha: whether they are RGBA.
      dequantized: whether the colours go through a network.
      reason: why, or why not.
    """

    info: GifInfo
    reader: GifReader
    timeline: Timeline
    stream: FrameStream
    alpha: bool
    dequantized: bool
    reason: str


@contextlib.contextmanager
def plan_restoration(
    source: str | os.PathLike, options: RestoreOptions, *, may_have_alpha: bool
) -> Iterator[Plan]:
    """Opens a GIF and decides about it, before the first frame is made.

    Args:
      source: the GIF, or "-" for standard input.
      options: see `RestoreOptions`.
      may_have_alpha: whether the output can hold transparency.

    Raises:
      InputError: the GIF cannot be read, or the model lacks what is needed.
    """
    with standard_input.as_path(source) as path:
        info = _named(scan_gif(path, max_pixels=options.max_pixels), source)
        timeline = _timeline(info, options)
        alpha = may_have_alpha and _has_alpha(path, info, options)
        dequantized, reason = _decide(path, options)
        model = _load(options, dequantized, timeline)
        moves = _moves(options, timeline)
        averages = dequantized and options.average and len(info.frames) > 1
        interpolator = _interpolator(model, needed=moves) if moves or averages else None
        with (
            open_gif(path, max_pixels=options.max_pixels) as reader,
            _holes(info, options) as holes,
        ):
            stream = FrameStream(
                reader,
                timeline,
                dequantizer=_dequantizer(model, options) if dequantized else None,
                interpolator=interpolator if moves else None,
                cut_detector=CutDetector(
                    DEFAULT_THRESHOLD
                    if options.scene_threshold is None
                    else options.scene_threshold
                ),
                background=options.background,
                alpha=alpha,
                joint=_is_joint(model),
                inpainter=_inpainter(model, options) if options.inpaints else None,
                holes=holes,
                averager=_averager(interpolator, model, options) if averages else None,
            )
            yield Plan(info, reader, timeline, stream, alpha, dequantized, reason)


def _named(info: GifInfo, source: str | os.PathLike) -> GifInfo:
    return dataclasses.replace(info, name=standard_input.NAME) if os.fspath(source) == "-" else info


def _timeline(info: GifInfo, options: RestoreOptions) -> Timeline:
    trimmed = options.start > 0 or options.end is not None
    loops = info.loop_count is not None and info.loop_count != 1
    rate, multiplier = options.fps, options.multiplier
    if rate is None and multiplier is None and not options.interpolate:
        rate = native_rate(normalize_delays(info.delays_ms))
    return Timeline(
        info.delays_ms,
        rate=rate,
        multiplier=multiplier,
        loop=options.loop == "on" or (options.loop == "auto" and loops and not trimmed),
        start=options.start,
        end=options.end,
    )


def _has_alpha(path: str, info: GifInfo, options: RestoreOptions) -> bool:
    """Whether any pixel of any frame is transparent; decodes frames only where it is possible."""
    whole = (0, 0, info.width, info.height)
    if info.frames[0].box == whole and all(
        frame.transparent_index is None and frame.disposal != 2 for frame in info.frames
    ):
        return False
    with open_gif(path, max_pixels=options.max_pixels) as reader:
        return any(frame.alpha is not None for frame in reader)


def _decide(path: str, options: RestoreOptions) -> tuple[bool, str]:
    """Whether to dequantise, and why."""
    if options.dequantize != "auto":
        return options.dequantize == "on", "asked for"
    with open_gif(path, max_pixels=options.max_pixels) as reader:
        return should_dequantize(_spread(reader))


def _spread(frames: Iterator[Frame]) -> list[Frame]:
    """A few frames, far apart, of those near the beginning."""
    kept: list[Frame] = []
    stride = _FRAMES_TO_LOOK_THROUGH // _FRAMES_TO_JUDGE
    for i, frame in enumerate(itertools.islice(frames, _FRAMES_TO_LOOK_THROUGH)):
        if i % stride == 0:
            kept.append(frame)
    return kept


def _moves(options: RestoreOptions, timeline: Timeline) -> bool:
    """Whether any output frame lies between two frames of the GIF."""
    return options.interpolate and any(
        sample.t
        for interval in range(timeline.num_intervals)
        for sample in timeline.samples(interval)
    )


def _load(options: RestoreOptions, dequantized: bool, timeline: Timeline) -> Model | None:
    """Loads the model, unless nothing needs one."""
    if not dequantized and not _moves(options, timeline) and not options.inpaints:
        return None
    use_persistent_cache()
    return load_model(options.weights if options.weights is not None else options.model)


def _dequantizer(model: Model | None, options: RestoreOptions) -> Dequantizer:
    assert model is not None
    if model.dequantizer is None:
        raise InputError(
            f"{model.name}: has no dequantizer; choose another model or pass --dequantize off"
        )
    return Dequantizer(model.dequantizer, strength=options.strength, tile=options.tile)


def _interpolator(model: Model | None, *, needed: bool) -> Interpolator | None:
    """What finds motion and makes frames; None if the model has none and can do without."""
    assert model is not None
    if model.interpolator is not None:
        return Interpolator(model.interpolator)
    if not needed:
        return None
    raise InputError(
        f"{model.name}: has no interpolator; choose another model or pass --no-interpolate"
    )


def _averager(
    interpolator: Interpolator | None, model: Model | None, options: RestoreOptions
) -> Averager | None:
    if interpolator is None:
        return None
    return Averager(interpolator, strength=options.strength, joint=_is_joint(model))


def _inpainter(model: Model | None, options: RestoreOptions) -> Inpainter:
    assert model is not None
    return inpainter_of(model, scene_threshold=options.scene_threshold)


def _holes(info: GifInfo, options: RestoreOptions):
    """The masks of a GIF's frames, as a context."""
    if not options.inpaints:
        return contextlib.nullcontext(())
    return open_holes(
        options.inpaint_mask, options.inpaint_boxes, width=info.width, height=info.height
    )


def _is_joint(model: Model | None) -> bool:
    """Whether the interpolator was trained to see raw GIF frames (the paper's joint mode)."""
    if model is None or model.interpolator is None:
        return False
    return model.interpolator.about.get("mode") == "joint"
