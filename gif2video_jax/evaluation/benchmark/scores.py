"""Scores of one method on several pictures or clips."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.evaluation.benchmark.perceptual import Distance
from gif2video_jax.evaluation.metrics import psnr, ssim

Picture = UInt8[np.ndarray, "h w 3"]

EQUAL_PSNR = 99.0  # what equal pictures count as, so that means stay finite


@dataclasses.dataclass(frozen=True)
class Scores:
    """One value a picture or clip, in a fixed order.

    Attributes:
      psnr: dB; 99 for equal pictures.
      ssim: as `metrics.ssim`.
      lpips: or empty if it is not measured.
    """

    psnr: list[float]
    ssim: list[float]
    lpips: list[float] = dataclasses.field(default_factory=list)

    @property
    def mean_psnr(self) -> float:
        """The mean over pictures, dB."""
        return float(np.mean(self.psnr))

    @property
    def mean_ssim(self) -> float:
        """The mean over pictures."""
        return float(np.mean(self.ssim))

    @property
    def mean_lpips(self) -> float | None:
        """The mean over pictures, or None."""
        return float(np.mean(self.lpips)) if self.lpips else None

    def gain_over(self, other: "Scores") -> tuple[float, float]:
        """Mean and standard deviation over pictures of the difference in PSNR, dB."""
        gains = np.subtract(self.psnr, other.psnr)
        return float(gains.mean()), float(gains.std())

    def as_dict(self) -> dict:
        """Plain values for JSON, means first."""
        means = {"psnr": self.mean_psnr, "ssim": self.mean_ssim, "lpips": self.mean_lpips}
        return {"mean": means, "psnr_std": float(np.std(self.psnr)), **dataclasses.asdict(self)}


def score_pictures(
    made: Sequence[Picture], truths: Sequence[Picture], lpips: Distance | None
) -> Scores:
    """Scores pictures one by one.

    Raises:
      ValueError: there are not as many, or sizes differ.
    """
    pairs = list(zip(made, truths, strict=True))
    return Scores(
        [finite_psnr(*pair) for pair in pairs],
        [ssim(*pair) for pair in pairs],
        [] if lpips is None else [lpips(*pair) for pair in pairs],
    )


def joined(clips: Iterable[Scores]) -> Scores:
    """One value a clip: the mean over its frames."""
    clips = list(clips)
    lpips = [clip.mean_lpips for clip in clips]
    return Scores(
        [clip.mean_psnr for clip in clips],
        [clip.mean_ssim for clip in clips],
        [value for value in lpips if value is not None],
    )


def finite_psnr(picture: Picture, truth: Picture) -> float:
    """`metrics.psnr`, at most 99 dB."""
    value = psnr(picture, truth)
    return min(value, EQUAL_PSNR) if math.isfinite(value) else EQUAL_PSNR
