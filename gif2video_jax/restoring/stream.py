"""From a GIF's frames to the video's, one after the other, in bounded memory.

    GifReader -> clean frames (Dequantizer) -> holes filled (Inpainter)
      -> averaged with their neighbours (Averager) -> pairs -> frames at exact times (Interpolator)

At most three GIF frames are held at a time: the one shown, the next, and in a loop the first; and
with an inpainter or an averager those of its window. The network cleans one frame while the motion
of those before is found: two threads use two cores better than one after the other.
"""

import collections
import concurrent.futures
import functools
import threading
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.gifs.reader import Frame
from gif2video_jax.gifs.scenes import CutDetector
from gif2video_jax.gifs.timeline import Sample, Timeline
from gif2video_jax.restoring.averaging import REACH, AveragedFrame, Averager
from gif2video_jax.restoring.dequantize import Dequantizer
from gif2video_jax.restoring.gif_frame import Clean, GifFrame
from gif2video_jax.restoring.holes import Mask
from gif2video_jax.restoring.inpaint import Inpainter
from gif2video_jax.restoring.interpolate import Interpolator

Picture = UInt8[np.ndarray, "h w c"]
_Shown = GifFrame | AveragedFrame


class FrameStream:
    """Yields the output frames of a GIF in order.

    Attributes:
      num_cuts: how many scene changes were met so far, among the intervals that move.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        timeline: Timeline,
        *,
        dequantizer: Dequantizer | None,
        interpolator: Interpolator | None,
        cut_detector: CutDetector,
        background: tuple[int, int, int],
        alpha: bool,
        joint: bool = False,
        inpainter: Inpainter | None = None,
        holes: Iterable[Mask] = (),
        averager: Averager | None = None,
    ):
        """Binds the parts.

        Args:
          frames: of the GIF, in order.
          timeline: of the same GIF.
          dequantizer: None keeps the GIF's colours.
          interpolator: None holds each frame until the next.
          cut_detector: nothing is interpolated across what it calls a cut.
          background: RGB under transparent pixels.
          alpha: whether output frames are RGBA; else they lie on the background.
          joint: the interpolator finds flows on the raw GIF frames, as the paper's joint mode.
          inpainter: fills holes of the clean frames, before anything moves.
          holes: a mask for each frame of the GIF, if there is an inpainter.
          averager: averages clean frames along the motion; None keeps each as it is.
        """
        self._frames = frames
        self._timeline = timeline
        self._dequantizer = dequantizer
        self._interpolator = interpolator
        self._cut_detector = cut_detector
        self._background = np.array(background, np.uint8)
        self._alpha = alpha
        self._joint = joint
        self._inpainter = inpainter
        self._holes = holes
        self._averager = averager
        self._cleaning = threading.Lock()  # the dequantiser builds on the frame before
        self.num_cuts = 0

    def restart(self, frames: Iterable[Frame]) -> None:
        """Takes the same GIF's frames anew, for another pass with everything compiled."""
        self._frames = frames
        if self._dequantizer is not None:
            self._dequantizer.restart()
        self.num_cuts = 0

    def __iter__(self) -> Iterator[Picture]:
        """Makes the frames; a GIF that ends early holds its last frame to the end."""
        shown: _Shown | None = None
        first: _Shown | None = None
        interval = -1
        for interval, following in enumerate(self._shown_frames()):
            if shown is not None:
                yield from self._interval(interval - 1, shown, following)
            first = first or following
            shown = following
        assert shown is not None and first is not None
        is_whole = interval == self._timeline.num_intervals - 1
        yield from self._interval(interval, shown, first if is_whole else shown)
        for missing in range(interval + 1, self._timeline.num_intervals):
            yield from self._interval(missing, shown, shown)

    def _shown_frames(self) -> Iterator[_Shown]:
        if self._averager is None:
            return self._gif_frames()
        return self._averager(self._gif_frames(), self._cut_detector.is_cut)

    def _gif_frames(self) -> Iterator[GifFrame]:
        if self._inpainter is None:
            yield from self._cleaned_ahead()
            return
        waiting: collections.deque[tuple[Frame, np.ndarray]] = collections.deque()

        def clean_frames():
            for frame in self._frames:
                gif = self._flatten(frame)
                waiting.append((frame, gif))
                yield self._clean(frame, gif).picture

        for filled in self._inpainter.fill(clean_frames(), self._holes):
            frame, gif = waiting.popleft()
            yield GifFrame(frame, gif, functools.partial(_given, filled))

    def _cleaned_ahead(self) -> Iterator[GifFrame]:
        """The GIF's frames; while one is used the next is cleaned already, if it will be needed."""
        frames = (GifFrame(frame, self._flatten(frame), self._clean) for frame in self._frames)
        if self._dequantizer is None:
            yield from frames
            return
        needed = self._frames_needed()
        waiting: GifFrame | None = None
        with concurrent.futures.ThreadPoolExecutor(1, "dequantize") as worker:
            try:
                for index, frame in enumerate(frames):
                    if index in needed:
                        frame.start(worker)
                    if waiting is not None:
                        yield waiting
                    waiting = frame
                if waiting is not None:
                    yield waiting
            except BaseException:  # nobody wants what was started any more
                worker.shutdown(cancel_futures=True)
                raise

    def _frames_needed(self) -> range:
        """Which frames of the GIF the output shows, or needs for those that it shows."""
        timeline = self._timeline
        shown = [i for i in range(timeline.num_intervals) if timeline.output_range(i)]
        around = 1 + (REACH if self._averager is not None else 0)
        return range(shown[0] - around, shown[-1] + around + 1) if shown else range(0)

    def _interval(self, interval: int, shown: _Shown, following: _Shown):
        """The output frames while the GIF shows one frame and moves on to the next."""
        samples = self._timeline.samples(interval)
        if self._interpolator is None or not any(sample.t for sample in samples):
            yield from (shown.clean for _ in samples)
            return
        if self._cut_detector.is_cut(shown.gif, following.gif):
            self.num_cuts += 1
            yield from (shown.clean for _ in samples)
            return
        yield from self._moving(samples, shown, following)

    def _moving(self, samples: list[Sample], shown: _Shown, following: _Shown):
        assert self._interpolator is not None
        start = shown.clean  # before the next one: the dequantiser reuses work in order
        times = [sample.t for sample in samples if sample.t]
        gifs = (shown.gif, following.gif) if self._joint else None
        flows = shown.flows_to(following)
        between = iter(self._interpolator.between(start, following.clean, times, gifs, flows=flows))
        for sample in samples:
            yield next(between) if sample.t else start

    def _flatten(self, frame: Frame) -> UInt8[np.ndarray, "h w 3"]:
        """The frame's colours, with the background where it is transparent."""
        if frame.alpha is None:
            return frame.rgb
        return np.where(frame.alpha[..., None], frame.rgb, self._background)

    def _clean(self, frame: Frame, gif: UInt8[np.ndarray, "h w 3"]) -> Clean:
        mend = None
        if self._dequantizer is None:
            colors = gif
        else:
            with self._cleaning:
                colors = self._dequantizer(frame, gif)
                mend = self._dequantizer.mender(frame)
        if not self._alpha:
            # What lies beside the picture is the background as it is, not the network's guess.
            if frame.alpha is not None and self._dequantizer is not None:
                colors = np.where(frame.alpha[..., None], colors, self._background)
            return Clean(colors, mend)
        opaque = np.ones(gif.shape[:2], bool) if frame.alpha is None else frame.alpha
        alpha = np.where(opaque, np.uint8(255), np.uint8(0))[..., None]
        return Clean(np.concatenate([colors, alpha], axis=-1), mend)


def _given(picture: Picture, frame: Frame, gif: np.ndarray) -> Clean:
    """A picture that was cleaned already, and does not show what the GIF showed in its holes."""
    del frame, gif
    return Clean(picture)
