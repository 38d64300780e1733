"""How close a restored image or clip is to the truth: PSNR, SSIM and temporal PSNR.

The numbers are scikit-image's `peak_signal_noise_ratio` and `structural_similarity` with their
default settings for colour images, as in GIF2Video's evaluation. SSIM stands on SciPy, which JAX
brings anyway; scikit-image itself would be needed for nothing else.

SSIM compares local means by their ratio, so it depends on where zero is: GIF2Video's published
figures are of floats in [-1, 1] and differ from those of the same pictures in bytes. PSNR does not.

References:
  [1] Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
      structural similarity", 2004.
  [2] Wang et al., "GIF2Video", CVPR 2019, section 6: means over a video's frames, then over videos.
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

# scikit-image's defaults: a flat 7x7 window and the paper's [1] two constants.
SSIM_WINDOW = 7
_K1, _K2 = 0.01, 0.03

Image = UInt8[np.ndarray, "h w c"] | Float[np.ndarray, "h w c"]


def psnr(image: Image, reference: Image, *, data_range: float | None = None) -> float:
    """Peak signal-to-noise ratio of an image in dB: 20 log10(data_range / RMSE).

    Args:
      image: uint8 in [0, 255], or float in [-1, 1].
      reference: the truth, of the same shape and type.
      data_range: largest minus smallest possible value; 255 for uint8 and 2 for floats if not
        given.

    Returns:
      dB; infinity if the images are equal.

    Raises:
      ValueError: if shapes or types differ.
    """
    data_range = _check(image, reference, data_range)
    return _psnr_of_error(_mean_squared_error(image, reference), data_range)


def ssim(image: Image, reference: Image, *, data_range: float | None = None) -> float:
    """Mean structural similarity [1] over pixels and channels, in [-1, 1].

    Arguments are those of `psnr`.

    Raises:
      ValueError: if shapes or types differ, or a side is shorter than the window of 7 pixels.
    """
    data_range = _check(image, reference, data_range)
    if min(image.shape[:2]) < SSIM_WINDOW:
        raise ValueError(
            f"image: SSIM expected at least {SSIM_WINDOW}x{SSIM_WINDOW} pixels, "
            f"got {image.shape[1]}x{image.shape[0]}"
        )
    channels = range(image.shape[2])
    scores = [_ssim_channel(image[..., c], reference[..., c], data_range) for c in channels]
    return float(np.mean(scores))


@dataclasses.dataclass(frozen=True)
class FrameScore:
    """PSNR in dB and SSIM of one frame; SSIM is None if the frame is smaller than its window."""

    psnr: float
    ssim: float | None


class ClipScore:
    """Scores of a clip, gathered frame by frame so that no clip needs to be in memory.

    Attributes:
      frames: the score of each frame added so far.
    """

    def __init__(self):
        self.frames: list[FrameScore] = []
        self._squared_errors: list[float] = []
        self._data_range = 0.0

    def add(self, image: Image, reference: Image, *, data_range: float | None = None) -> FrameScore:
        """Scores one more frame; arguments and errors are those of `psnr`."""
        self._data_range = _check(image, reference, data_range)
        large_enough = min(image.shape[:2]) >= SSIM_WINDOW
        squared_error = _mean_squared_error(image, reference)
        score = FrameScore(
            _psnr_of_error(squared_error, self._data_range),
            ssim(image, reference, data_range=self._data_range) if large_enough else None,
        )
        self.frames.append(score)
        self._squared_errors.append(squared_error)
        return score

    @property
    def psnr(self) -> float:
        """Mean over the frames of their PSNR, in dB [2]."""
        return float(np.mean([frame.psnr for frame in self.frames]))

    @property
    def ssim(self) -> float | None:
        """Mean over the frames of their SSIM; None if they are smaller than its window."""
        scores = [frame.ssim for frame in self.frames if frame.ssim is not None]
        return float(np.mean(scores)) if scores else None

    @property
    def temporal_psnr(self) -> float:
        """PSNR in dB from one RMSE over the whole clip, both end frames included [2]."""
        return _psnr_of_error(float(np.mean(self._squared_errors)), self._data_range)


def score_clip(
    frames: Iterable[Image], references: Iterable[Image], *, data_range: float | None = None
) -> ClipScore:
    """Scores a clip's frames against the truth.

    Raises:
      ValueError: if there are no frames, or not as many as references, or a pair does not match.
    """
    clip = ClipScore()
    for frame, reference in zip(frames, references, strict=True):
        clip.add(frame, reference, data_range=data_range)
    if not clip.frames:
        raise ValueError("frames: expected at least one, got none")
    return clip


def mean_over_videos(clips: Iterable[ClipScore]) -> FrameScore:
    """Means over videos of each video's means over its frames, so that long videos weigh no more.

    Raises:
      ValueError: if there are no clips.
    """
    clips = list(clips)
    if not clips:
        raise ValueError("clips: expected at least one, got none")
    similarities = [clip.ssim for clip in clips if clip.ssim is not None]
    return FrameScore(
        float(np.mean([clip.psnr for clip in clips])),
        float(np.mean(similarities)) if similarities else None,
    )


def _check(image: np.ndarray, reference: np.ndarray, data_range: float | None) -> float:
    """Returns the data range to use, once image and reference are known to match."""
    if image.shape != reference.shape or image.dtype != reference.dtype or image.ndim != 3:
        raise ValueError(
            f"image and reference: expected two (h, w, c) arrays of one shape and type, got "
            f"{image.dtype} {image.shape} and {reference.dtype} {reference.shape}"
        )
    if data_range is not None:
        return data_range
    return 255.0 if image.dtype == np.uint8 else 2.0


def _mean_squared_error(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.mean(np.square(image.astype(np.float64) - reference)))


def _psnr_of_error(squared_error: float, data_range: float) -> float:
    if squared_error == 0:
        return math.inf
    return 10 * math.log10(data_range**2 / squared_error)


def _ssim_channel(image: np.ndarray, reference: np.ndarray, data_range: float) -> float:
    """SSIM of one channel: local means, variances and covariance in a flat window."""
    x, y = image.astype(np.float64), reference.astype(np.float64)
    count = SSIM_WINDOW**2
    unbiased = count / (count - 1)

    def mean(values):
        return ndimage.uniform_filter(values, SSIM_WINDOW)

    mean_x, mean_y = mean(x), mean(y)
    variance_x = unbiased * (mean(x * x) - mean_x**2)
    variance_y = unbiased * (mean(y * y) - mean_y**2)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    border = SSIM_WINDOW // 2  # windows that would reach outside do not count
    return float(np.mean(similarity[border:-border, border:-border]))
