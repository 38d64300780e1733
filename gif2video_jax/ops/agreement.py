"""The mean of two frames, with as much of its detail as both agree on.

Two key frames that were moved to the same time err independently: each by what its GIF left of
damage, and by motion that is not quite right. Their mean keeps edges twice where they do not meet.
Of each band of detail (what a blur takes out) it keeps the share that Wiener's filter would keep
of a signal whose noise is what the frames differ by:

  mean = a frame_0 + b frame_1,  a + b = 1
  kept = max(0, 1 - E[a b (detail_0 - detail_1)^2] / E[detail_of_mean^2])

where a b (x_0 - x_1)^2 is the weighted variance of two values, so that at the time of a key frame,
where a or b is 0, that frame is left as it is; E is a mean over a neighbourhood. Not part of
GIF2Video; what it gains is in docs/results.md.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.filters import halve, mean_filter, weighted_filter
from gif2video_jax.ops.image import resize_bilinear

_BLUR = (0.25, 0.5, 0.25)
_AROUND = 2  # pixels around one over which variances are means
_LEAST = 1e-7  # variance that counts as none; colours run over [-1, 1]


def agreeing_mean(
    frame_0: Float[Array, "n h w c"],
    frame_1: Float[Array, "n h w c"],
    share: Float[Array, "n h w 1"],
    num_bands: int,
) -> Float[Array, "n h w c"]:
    """The weighted mean of two frames, less the detail that they do not agree on.

    Args:
      frame_0: in [-1, 1].
      frame_1: of the same time and place.
      share: b of the head of this file, how much `frame_1` counts, in [0, 1].
      num_bands: of detail, each at half the size of the one before. 0 gives the mean itself.
    """
    mean = frame_0 + share * (frame_1 - frame_0)
    if not num_bands:
        return mean
    # A root of 0 has no gradient.
    deviation = jnp.sqrt(jnp.maximum(share * (1 - share), 1e-12)) * (frame_0 - frame_1)
    # Both in one array: half as many blurs, each of twice as much.
    both = jnp.concatenate([mean, deviation], axis=-1)
    return jnp.split(both, 2, axis=-1)[0] - _doubtful(both, num_bands)


def _doubtful(both: Float[Array, "n h w c2"], num_bands: int) -> Float[Array, "n h w c"]:
    """The detail of a mean that is not kept, given the mean and the deviation from it."""
    coarser = weighted_filter(both, _BLUR)
    details = both - coarser
    signal, noise = jnp.split(mean_filter(jnp.square(details), _AROUND), 2, axis=-1)
    dropped = jnp.minimum(noise / (signal + _LEAST), 1.0)
    doubtful = dropped * jnp.split(details, 2, axis=-1)[0]
    if num_bands > 1:
        height, width = both.shape[1:3]
        small = _doubtful(halve(coarser), num_bands - 1)
        large = resize_bilinear(small, 2 * small.shape[1], 2 * small.shape[2], align_corners=False)
        doubtful = doubtful + large[:, :height, :width]
    return doubtful
