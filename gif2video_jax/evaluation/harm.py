"""Whether restoring harms a GIF that has nothing to restore: how far it moves what it should leave.

What comes out is compared with the GIF itself, frame by frame, before any encoder. Unharmed means
changed by at most one level of 255 on average and 45 dB or better, with no more flicker where the
GIF stands still.
"""

import dataclasses
import os
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.evaluation.metrics import psnr
from gif2video_jax.gifs.reader import read_gif

Picture = UInt8[np.ndarray, "h w 3"]

MAX_CHANGE = 1.0  # levels of 255, the mean
MIN_PSNR = 45.0  # dB


@dataclasses.dataclass(frozen=True)
class Harm:
    """What restoring did to a GIF's own frames.

    Attributes:
      name: of the file.
      dequantized: whether the colours went through a network.
      reason: why, or why not.
      change: mean absolute difference over frames, in levels of 255.
      psnr: of the worst frame, dB; infinite if nothing changed.
      flat_change: largest difference where the GIF is flat: all of 5x5 pixels have one colour.
    """

    name: str
    dequantized: bool
    reason: str
    change: float
    psnr: float
    flat_change: int

    @property
    def unharmed(self) -> bool:
        """Whether it came out unchanged, or nearly so."""
        return self.change <= MAX_CHANGE and self.psnr >= MIN_PSNR


def measure_harm(source: str | os.PathLike, **options: Any) -> Harm:
    """Restores a GIF at its own rate and compares.

    Args:
      source: the GIF.
      **options: fields of `RestoreOptions`, such as `weights`.

    Raises:
      InputError: the GIF or the model cannot be read.
    """
    from gif2video_jax.restoring.options import RestoreOptions
    from gif2video_jax.restoring.plan import plan_restoration

    background = np.array(RestoreOptions().background, np.uint8)
    gif = [_flattened(frame.rgb, frame.alpha, background) for frame in read_gif(source).frames]
    # At 100 frames a second every GIF frame is shown: delays are whole hundredths, two or more.
    chosen = RestoreOptions(interpolate=False, fps=Fraction(100), **options)
    with plan_restoration(source, chosen, may_have_alpha=False) as plan:
        firsts = {plan.timeline.output_range(index).start for index in range(len(gif))}
        restored = [frame for index, frame in enumerate(plan.stream) if index in firsts]
        changes = [np.abs(a.astype(np.int16) - b) for a, b in zip(restored, gif, strict=True)]
        return Harm(
            os.path.basename(os.fspath(source)),
            plan.dequantized,
            plan.reason,
            float(np.mean([change.mean() for change in changes])),
            min(psnr(a, b) for a, b in zip(restored, gif, strict=True)),
            max(_flat_change(a, b) for a, b in zip(changes, gif, strict=True)),
        )


def flat_parts(picture: Picture, size: int = 5) -> np.ndarray:
    """Where all pixels of a square around a pixel have its colour; False at the border."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (size, size), axis=(0, 1))
    flat = np.zeros(picture.shape[:2], bool)
    if windows.size:
        border = size // 2
        equal = (windows.max(axis=(-1, -2)) == windows.min(axis=(-1, -2))).all(axis=-1)
        flat[border : border + equal.shape[0], border : border + equal.shape[1]] = equal
    return flat


def _flat_change(change: np.ndarray, gif: Picture) -> int:
    return int(change[flat_parts(gif)].max(initial=0)) if min(gif.shape[:2]) >= 5 else 0


def _flattened(rgb: Picture, alpha: np.ndarray | None, background: np.ndarray) -> Picture:
    return rgb if alpha is None else np.where(alpha[..., None], rgb, background)
