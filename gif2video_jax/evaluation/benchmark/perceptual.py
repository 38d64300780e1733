"""LPIPS, the distance of deep features, where its networks' weights can be had.

Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018.
No package index has the weights of its AlexNet. They come from a file that the user has, see
`training/lpips.py`; without one, from a model hub, where the package `jaxlpips` is installed.
Offline and without a file, LPIPS is not measured, and the results say so.
"""

import os
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import UInt8

from gif2video_jax.training import lpips

Picture = UInt8[np.ndarray, "h w 3"]
Distance = Callable[[Picture, Picture], float]


def load_lpips(weights: str | os.PathLike | None = None) -> tuple[Distance | None, str]:
    """Loads LPIPS with AlexNet.

    Args:
      weights: a file of its weights, see `training.lpips.load_weights`; None: the model hub's.

    Returns:
      The distance of two pictures, 0 if they look alike, and what it is; or None and why it can't
      be measured.

    Raises:
      InputError: if there is a file and it does not serve.
    """
    if weights is not None:
        arrays = jax.device_put(lpips.load_weights(weights))
        return (
            distance_of(lambda first, second: lpips.lpips(arrays, first, second)),
            f"AlexNet, weights of {os.path.basename(weights)}",
        )
    try:
        import jaxlpips
    except ImportError:
        return None, (
            "give a file of its weights with --lpips-weights, or install the package jaxlpips, "
            "which loads them from a model hub"
        )
    try:
        network = jaxlpips.LPIPS("alexnet")
    except Exception as error:  # the hub's client has many, and most mean: no connection
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return None, f"jaxlpips can't load its weights ({reason[:120]})"
    return distance_of(network), "jaxlpips, AlexNet"


def distance_of(network: Callable) -> Distance:
    """Wraps a network that takes two batches in [-1, 1] and returns their distances."""
    run = jax.jit(lambda first, second: network(first, second))

    def distance(picture: Picture, truth: Picture) -> float:
        both = [(x.astype(np.float32) / 127.5 - 1)[None] for x in (picture, truth)]
        return float(np.asarray(run(*both)).reshape(()))

    return distance
