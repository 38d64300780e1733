"""What is decided about a GIF before the first frame is made, and the stream that makes them.

scan the file's structure -> lay out the time line -> decide what to do -> stream the frames
"""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.lossy import looks_lossy
from gif2video_jax.gifs.reader import Frame, GifInfo, GifReader, open_gif, scan_gif
from gif2video_jax.gifs.scenes import DEFAULT_THRESHOLD, CutDetector
from gif2video_jax.gifs.timeline import Timeline, native_rate, normalize_delays
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

_FRAMES_TO_JUDGE = 3
_FRAMES_TO_LOOK_THROUGH = 60


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
        dequantized, reason, lossy = _decide(path, options)
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
                dequantizer=_dequantizer(model, lossy, options) if dequantized else None,
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


def _decide(path: str, options: RestoreOptions) -> tuple[bool, str, bool]:
    """Whether to dequantise, why, and whether the GIF looks compressed lossily."""
    if options.dequantize == "off":
        return False, "asked for", False
    with open_gif(path, max_pixels=options.max_pixels) as reader:
        frames = _spread(reader)
    found = (True, "asked for") if options.dequantize == "on" else should_dequantize(frames)
    return *found, looks_lossy(frames)


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


def _dequantizer(model: Model | None, lossy: bool, options: RestoreOptions) -> Dequantizer:
    assert model is not None
    network = model.dequantizer_for(lossy=lossy)
    if network is None:
        raise InputError(
            f"{model.name}: has no dequantizer; choose another model or pass --dequantize off"
        )
    return Dequantizer(network, strength=options.strength, tile=options.tile, cells=not lossy)


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
