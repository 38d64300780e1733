"""Each clean frame averaged with its neighbours in time, along the motion.

The dots and steps that a network leaves in one frame are others in the next, and the picture under
them is the same: averaged along the motion they fade, and stop to flicker. How much a neighbour
counts where: `ops/motion_average.py`. Where it is known which colours the GIF allows, averages are
moved there. Not part of GIF2Video.
"""

import collections
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.ops.motion_average import BLUR, MISS, SPREAD, average_along_motion
from gif2video_jax.restoring.compilation import StoredFunction
from gif2video_jax.restoring.dequantize import difference_box
from gif2video_jax.restoring.gif_frame import GifFrame
from gif2video_jax.restoring.interpolate import Interpolator, PairFlows
from gif2video_jax.restoring.tiling import MAX_WHOLE_PIXELS, Box

Picture = UInt8[np.ndarray, "h w c"]

REACH = 2
"""How many neighbours on each side count; a third adds a tenth of what these two do."""


class AveragedFrame:
    """A frame among its neighbours, averaged when it is first asked for.

    Attributes:
      gif: its colours in the GIF.
      before: the frame before it, if that is of the same scene.
      after: the frame after it, likewise.
    """

    def __init__(self, frame: GifFrame, averager: "Averager"):
        """Binds a frame; its neighbours are set when they are known."""
        self.gif = frame.gif
        self.before: AveragedFrame | None = None
        self.after: AveragedFrame | None = None
        self._frame = frame
        self._averager = averager
        self._flows: PairFlows | None = None
        self._clean: Picture | None = None

    @property
    def restored(self) -> Picture:
        """Before it is averaged."""
        return self._frame.clean

    @property
    def clean(self) -> Picture:
        """The average."""
        if self._clean is None:
            self._clean = self._averager.average(self)
        return self._clean

    def mended(self, picture: Picture, box: Box) -> Picture:
        """A box of an average, with colours where the GIF allows them."""
        return self._frame.mended(picture, box)

    def looks_like(self, frame: GifFrame) -> bool:
        """Whether a frame of the GIF is this one again."""
        mine, other = self._frame.alpha, frame.alpha
        same_alpha = mine is other or (
            mine is not None and other is not None and np.array_equal(mine, other)
        )
        return same_alpha and np.array_equal(self.gif, frame.gif)

    def flows_to(self, other: object) -> PairFlows | None:
        """The motion to the frame after this one and back; None to any other."""
        if self.after is None or other is not self.after:
            return None
        if self._flows is None:
            self._flows = self._averager.flows(self, self.after)
        return self._flows


class Averager:
    """Averages the frames of a GIF with their neighbours."""

    def __init__(
        self,
        interpolator: Interpolator,
        *,
        strength: float = 1.0,
        joint: bool = False,
        spread: float = SPREAD,
        miss: float = MISS,
        blur: float = BLUR,
    ):
        """Binds what finds the motion.

        Args:
          interpolator: finds the motion between frames.
          strength: how much of the change is applied, 0 to 1.
          joint: the motion is found on the raw GIF frames, as in the paper's joint mode.
          spread: see `ops.motion_average.SPREAD`.
          miss: see `ops.motion_average.MISS`.
          blur: see `ops.motion_average.BLUR`.
        """
        self._interpolator = interpolator
        self._settings = np.array([strength, spread, miss, blur], np.float32)
        self._joint = joint
        self._apply = StoredFunction(average_along_motion, "average")

    def __call__(
        self, frames: Iterable[GifFrame], is_cut: Callable[[np.ndarray, np.ndarray], bool]
    ) -> Iterator[AveragedFrame]:
        """Gives each frame its neighbours; frames that repeat are one frame, several times.

        Args:
          frames: of the GIF, in order. `REACH` different ones are read ahead; each is to be used
            before the one after the next is asked for, since neighbours are let go of.
          is_cut: whether one GIF frame and the next are of different scenes.
        """
        waiting: collections.deque[AveragedFrame] = collections.deque()
        newest: AveragedFrame | None = None
        for frame in frames:
            if newest is None or not newest.looks_like(frame):
                newest = self._link(newest, frame, is_cut)
            waiting.append(newest)
            while self._is_settled(waiting[0], newest):
                yield waiting.popleft()
        yield from waiting

    def _link(self, last: AveragedFrame | None, frame: GifFrame, is_cut) -> AveragedFrame:
        new = AveragedFrame(frame, self)
        if last is not None and not is_cut(last.gif, new.gif):
            last.after, new.before = new, last
        # Frames hold on to their neighbours, and these to theirs: without an end a whole GIF would
        # stay in memory. What is far enough back has been averaged.
        oldest: AveragedFrame | None = new
        for _ in range(2 * REACH + 1):
            oldest = oldest.before if oldest is not None else None
        if oldest is not None:
            if oldest.after is not None:
                oldest.after.before = None
            oldest.after = None
        return new

    @staticmethod
    def _is_settled(frame: AveragedFrame, newest: AveragedFrame) -> bool:
        """Whether all of a frame's neighbours are known."""
        for _ in range(REACH):
            if frame is newest:
                return False
            if frame.after is None:
                return True
            frame = frame.after
        return True

    def flows(self, first: AveragedFrame, second: AveragedFrame) -> PairFlows:
        """The motion between two frames, both ways."""
        gifs = (first.gif, second.gif) if self._joint else None
        start = first.restored  # before the next one: the dequantiser reuses work in order
        return self._interpolator.flows(start, second.restored, gifs)

    def average(self, frame: AveragedFrame) -> Picture:
        """The average of a frame and its neighbours; read-only."""
        height, width = frame.gif.shape[:2]
        neighbors = self._neighbors(frame)
        picture = frame.restored
        if height * width > MAX_WHOLE_PIXELS or not neighbors:
            return picture
        box = _union([difference_box(picture, other.restored) for _, other, _, _ in neighbors])
        if box is None:
            return picture
        box = self._interpolator.work_box(box, height, width)
        images = np.stack([[self._interpolator.padded(picture, box)] * 2] * REACH)
        steps = np.zeros((*images.shape[:-1], 2), np.float32)
        returns = np.zeros_like(steps)
        counts = np.zeros((REACH, 2), np.float32)
        gif = self._interpolator.padded(frame.gif, box)[None]
        for (distance, side), other, step, back in neighbors:
            images[distance, side] = self._interpolator.padded(other.restored, box)
            steps[distance, side] = self._interpolator.padded(step, box)
            returns[distance, side] = self._interpolator.padded(back, box)
            counts[distance, side] = 1
        center = self._interpolator.padded(picture, box)[None]
        arrays = (center, gif, images, steps, returns, counts, self._settings)
        value = np.asarray(self._apply(*arrays))[0]
        result = picture.copy()
        result[box.slices] = frame.mended(value[: box.height, : box.width], box)
        result.setflags(write=False)
        return result

    def _neighbors(self, frame: AveragedFrame):
        """Each neighbour, its place (distance - 1, side), the last step's motion there and back."""
        found = []
        current = frame
        for distance in range(REACH):
            before = current.before
            if before is None:
                break
            flows = before.flows_to(current)
            assert flows is not None
            found.append(((distance, 0), before, flows.backward, flows.forward))
            current = before
        found.reverse()  # in order of time, as the dequantiser likes it
        current = frame
        for distance in range(REACH):
            flows = current.flows_to(current.after)
            if flows is None or current.after is None:
                break
            found.append(((distance, 1), current.after, flows.forward, flows.backward))
            current = current.after
        return found


def _union(boxes: Iterable[Box | None]) -> Box | None:
    """The smallest box around all that are there."""
    found = [box for box in boxes if box is not None]
    if not found:
        return None
    return Box(
        min(box.top for box in found),
        min(box.left for box in found),
        max(box.bottom for box in found),
        max(box.right for box in found),
    )
