"""A GIF frame that is cleaned when it is first needed."""

import concurrent.futures
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.gifs.reader import Frame
from gif2video_jax.restoring.interpolate import PairFlows

Picture = UInt8[np.ndarray, "h w c"]


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
        clean: Callable[[Frame, np.ndarray], Picture],
    ):
        """Binds a frame.

        Args:
          frame: as the file has it.
          gif: its colours.
          clean: makes the clean frame of both, RGB or RGBA.
        """
        self.gif = gif
        self.alpha = frame.alpha
        self._frame = frame
        self._make = clean
        self._clean: Picture | None = None
        self._started: concurrent.futures.Future[Picture] | None = None

    def start(self, worker: concurrent.futures.Executor) -> None:
        """Has a worker clean it, so that it is there when it is needed."""
        self._started = worker.submit(self._make, self._frame, self.gif)

    @property
    def clean(self) -> Picture:
        """The clean frame, RGB or RGBA."""
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
