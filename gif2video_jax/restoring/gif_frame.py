"""A GIF frame that is cleaned when it is first needed."""

import concurrent.futures
import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.gifs.reader import Frame
from gif2video_jax.restoring.interpolate import PairFlows
from gif2video_jax.restoring.tiling import Box

Picture = UInt8[np.ndarray, "h w c"]


@dataclasses.dataclass(frozen=True)
class Clean:
    """A clean frame.

    Attributes:
      picture: RGB or RGBA.
      mend: moves the colours of a box of another picture of it, such as an average, to where the
        GIF allows them; None where that is not known.
    """

    picture: Picture
    mend: Callable[[UInt8[np.ndarray, "h w 3"], Box], UInt8[np.ndarray, "h w 3"]] | None = None


class GifFrame:
    """A GIF frame that is cleaned when it is first needed.

    Attributes:
      gif: its colours in the GIF, with the background where it is transparent.
      alpha: where it is opaque; None if everywhere.
    """

    def __init__(
        self,
        frame: Frame,
        gif: UInt8[np.ndarray, "h w 3"],
        clean: Callable[[Frame, np.ndarray], Clean],
    ):
        """Binds a frame.

        Args:
          frame: as the file has it.
          gif: its colours.
          clean: makes the clean frame of both.
        """
        self.gif = gif
        self.alpha = frame.alpha
        self._frame = frame
        self._make = clean
        self._clean: Clean | None = None
        self._started: concurrent.futures.Future[Clean] | None = None

    def start(self, worker: concurrent.futures.Executor) -> None:
        """Has a worker clean it, so that it is there when it is needed."""
        self._started = worker.submit(self._make, self._frame, self.gif)

    @property
    def clean(self) -> Picture:
        """The clean frame, RGB or RGBA."""
        return self._made().picture

    def mended(self, picture: Picture, box: Box) -> Picture:
        """A box of another picture of this frame, with colours where the GIF allows them."""
        mend = self._made().mend
        if mend is None:
            return picture
        return np.concatenate([mend(picture[..., :3], box), picture[..., 3:]], axis=-1)

    def _made(self) -> Clean:
        if self._clean is None:
            if self._started is None:
                self._clean = self._make(self._frame, self.gif)
            else:
                self._clean = self._started.result()
        return self._clean

    def flows_to(self, other: object) -> PairFlows | None:
        """Nothing: whoever needs the motion finds it."""
        del other
        return None
