"""LPIPS, the distance of deep features, where its networks' weights can be had.

Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018.
No package index has the weights of its AlexNet: `jaxlpips` loads them from a model hub when it is
first used. Offline, or without jaxlpips, LPIPS is not measured, and the results say so.
"""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import UInt8

Picture = UInt8[np.ndarray, "h w 3"]
Distance = Callable[[Picture, Picture], float]


def load_lpips() -> tuple[Distance | None, str]:
    """Loads LPIPS with AlexNet.

    Returns:
      The distance of two pictures, 0 if they look alike, and what it is; or None and why it can't
      be measured.
    """
    try:
        import jaxlpips
    except ImportError:
        return None, (
            "the package jaxlpips is not installed (it loads the weights from a model hub; "
            "packages hold only LPIPS' last layers, not the network under them)"
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
