"""What people would use instead to make frames between frames: holding, blending, flow, ffmpeg.

Each takes key frames and how many times as many frames there shall be, and returns the frames from
the first key frame to the last, key frames included, at equal steps. Optical flow and ffmpeg's
`minterpolate` come in a few settings, of which the best on the measured clips is taken.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import av
import av.error
import av.filter
import numpy as np
from jaxtyping import Float, UInt8

from gif2video_jax.errors import InputError

Picture = UInt8[np.ndarray, "h w 3"]
Method = Callable[[Sequence[Picture], int], list[Picture]]


def nearest(keys: Sequence[Picture], multiplier: int) -> list[Picture]:
    """Each key frame is shown until the next is nearer; half way, the earlier one."""
    steps = range((len(keys) - 1) * multiplier + 1)
    return [keys[(step + (multiplier - 1) // 2) // multiplier] for step in steps]


def blended(keys: Sequence[Picture], multiplier: int) -> list[Picture]:
    """Mixes the two key frames by their distances in time."""
    return _between_pairs(keys, multiplier, _mixers)


def flow_settings() -> dict[str, Method]:
    """Warping along OpenCV's DIS optical flow: its preset, how flows at time t are had, sampling.

    Raises:
      InputError: OpenCV is not installed.
    """
    _opencv()
    return {
        f"DIS {preset}, {approximation}, {sampling}": partial(
            flow_warped, preset=preset, approximation=approximation, sampling=sampling
        )
        for preset in ("fast", "medium")
        for approximation in ("scaled", "combined")
        for sampling in ("linear", "cubic")
    }


def flow_warped(
    keys: Sequence[Picture], multiplier: int, *, preset: str, approximation: str, sampling: str
) -> list[Picture]:
    """Warps both key frames back along DIS flows in both directions and mixes them.

    Args:
      keys: the key frames.
      multiplier: steps from one to the next.
      preset: of DIS: "ultrafast", "fast" or "medium".
      approximation: of the flow from time t to the key frames: "scaled" takes a key frame's own
        flow times its distance, "combined" mixes both flows as Super SloMo does (equation 4).
      sampling: of the frames: "linear", as most do it, or "cubic".
    """
    cv2 = _opencv()
    dis = cv2.DISOpticalFlow_create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}"))
    warp = partial(_warp, cv2, getattr(cv2, f"INTER_{sampling.upper()}"))
    return _between_pairs(keys, multiplier, partial(_warpers, cv2, dis, warp, approximation))


def minterpolate_settings() -> dict[str, Method]:
    """Ffmpeg's motion-compensated interpolation in a few settings; none where it is missing."""
    if "minterpolate" not in av.filter.filters_available:
        return {}
    modes = (
        "mc_mode=obmc:me_mode=bilat",  # ffmpeg's default
        "mc_mode=aobmc:me_mode=bilat",
        "mc_mode=aobmc:me_mode=bidir:vsbmc=1",
    )
    return {
        f"minterpolate={mode}": partial(minterpolated, options=f"mi_mode=mci:scd=none:{mode}")
        for mode in modes
    }


def minterpolated(keys: Sequence[Picture], multiplier: int, *, options: str) -> list[Picture]:
    """Runs the filter through PyAV, at full chroma; `scd=none` keeps it from seeing cuts."""
    # It looks two frames ahead; frames of the last interval come only if more follow.
    padded = [*keys, keys[-1], keys[-1]]
    height, width = keys[0].shape[:2]
    time_base = Fraction(1, multiplier)
    graph = av.filter.Graph()
    rgb = av.VideoFormat("rgb24")
    graph.link_nodes(
        graph.add_buffer(width=width, height=height, format=rgb, time_base=time_base),
        graph.add("format", "yuv444p"),
        graph.add("minterpolate", f"fps={multiplier}:{options}"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ).configure()
    found: dict[int, Picture] = {}
    for index, key in enumerate(padded):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(key), format="rgb24")
        frame.pts, frame.time_base = index * multiplier, time_base
        graph.push(frame)
        _drain(graph, found, multiplier)
    graph.push(None)
    _drain(graph, found, multiplier)
    return [found[step] for step in range((len(keys) - 1) * multiplier + 1)]


def _drain(graph: av.filter.Graph, found: dict[int, Picture], multiplier: int) -> None:
    while True:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert frame.pts is not None and frame.time_base is not None
        found[round(frame.pts * frame.time_base * multiplier)] = frame.to_ndarray()


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise InputError("optical flow needs OpenCV: pip install opencv-python-headless") from None
    return cv2


def _between_pairs(keys: Sequence[Picture], multiplier: int, make: Callable) -> list[Picture]:
    """All frames, from a function that takes two key frames and returns one of time t."""
    frames = []
    for first, second in zip(keys, keys[1:], strict=False):
        at = make(first, second)
        frames += [first] + [at(step / multiplier) for step in range(1, multiplier)]
    return [*frames, keys[-1]]


def _mixers(first: Picture, second: Picture) -> Callable[[float], Picture]:
    return lambda t: _mix(first, second, t)


def _mix(first: np.ndarray, second: np.ndarray, t: float) -> Picture:
    mixed = (1 - t) * first.astype(np.float32) + t * second
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)


def _warpers(cv2, dis, warp: Callable, approximation: str, first: Picture, second: Picture):
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
    forward, back = dis.calc(*grey, None), dis.calc(*reversed(grey), None)

    def at(t: float) -> Picture:
        if approximation == "combined":
            to_first = -(1 - t) * t * forward + t * t * back
            to_second = (1 - t) ** 2 * forward - t * (1 - t) * back
        else:
            to_first, to_second = t * back, (1 - t) * forward
        return _mix(warp(first, to_first), warp(second, to_second), t)

    return at


def _warp(
    cv2, sampling: int, image: Picture, flow: Float[np.ndarray, "h w 2"]
) -> Float[np.ndarray, "h w 3"]:
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    places = (x + flow[..., 0].astype(np.float32), y + flow[..., 1].astype(np.float32))
    return cv2.remap(image.astype(np.float32), *places, sampling, borderMode=cv2.BORDER_REPLICATE)
