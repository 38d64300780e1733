"""The main job: a GIF in, a clean and smooth video out."""

import dataclasses
import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.counting import counted
from gif2video_jax.media import format_of, open_writer
from gif2video_jax.restoring.options import RestoreOptions
from gif2video_jax.restoring.plan import plan_restoration

Progress = Callable[[int, int], None]
"""Called with how many output frames are done and how many there will be."""


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
            f"{self.destination}: {self.width}x{self.height}, {counted(self.frames, 'frame')}, "
            f"{self.duration:.2f} s at {self.fps:.4g} fps "
            f"(GIF: {counted(self.gif_frames, 'frame')}, {self.gif_duration:.2f} s), {colors}"
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
