"""The pictures and clips to measure on: the open corpus' public test set, or anybody's own.

The public test set is fetched from distribution packages (`datasets.open_corpus`); nothing of it
was trained on. A folder of one's own is searched for pictures and videos, subfolders included.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from gif2video_jax.datasets.corpus_fetch import fetch
from gif2video_jax.datasets.corpus_list import CLIP_SUFFIXES, MANIFEST, STILL_SUFFIXES, read_corpus
from gif2video_jax.errors import InputError
from gif2video_jax.gifs.scenes import CutDetector
from gif2video_jax.media import open_video

Picture = UInt8[np.ndarray, "h w 3"]

_MIN_SIDE = 16  # a smaller picture says nothing
_MOST_FRAMES = 300  # of a clip, that a window is chosen from
_REPEATED = 0.2  # of the median change: what changes less repeats the frame before it
_STEP = 8  # between the frames at which a window may start


@dataclasses.dataclass(frozen=True, eq=False)
class Still:
    """A picture in its true colours."""

    name: str
    truth: Picture


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive frames in their true colours, none repeated, without a cut if there was a choice.

    Attributes:
      name: of the file.
      frames: all of one size.
      start: which frame of the file comes first, repeated ones not counted.
    """

    name: str
    frames: list[Picture]
    start: int


def public_files(folder: str | os.PathLike, report: Callable[[str], None]) -> list[pathlib.Path]:
    """The files of the public test set, fetched if they are not there.

    Args:
      folder: a fetched corpus, or where the test set is to be laid out.
      report: called with a line for each package.

    Raises:
      InputError: a package can't be had, or the folder holds a corpus without a test set.
    """
    folder = pathlib.Path(folder)
    if not (folder / MANIFEST).is_file():
        fetch(folder, splits=["test"], report=report)
    found = [folder / item.path for item in read_corpus(folder) if item.split == "test"]
    if not found:
        raise InputError(
            f"{folder}: a corpus without a test set; give another folder as --data, which the "
            "public test set is then fetched to"
        )
    return found


def files_in(folder: str | os.PathLike, suffixes: Sequence[str]) -> list[pathlib.Path]:
    """The files in a folder with one of some suffixes, sorted, hidden ones left out.

    Raises:
      InputError: there is no such folder, or nothing in it.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        raise InputError(f"{folder}: expected files with one of the suffixes {' '.join(suffixes)}")
    return found


def is_still(path: pathlib.Path) -> bool:
    """Whether a file is a picture by its suffix."""
    return path.suffix.lower() in STILL_SUFFIXES


def is_clip(path: pathlib.Path) -> bool:
    """Whether a file is a video by its suffix."""
    return path.suffix.lower() in CLIP_SUFFIXES


def read_still(path: pathlib.Path, long_side: int) -> Still:
    """Reads a picture and scales it down.

    Args:
      path: of the file; transparent parts lie on white.
      long_side: of the result, pixels; a smaller picture keeps its size.

    Raises:
      InputError: it can't be read, or is too small.
    """
    try:
        with Image.open(path) as opened:
            if opened.has_transparency_data:
                picture = Image.new("RGBA", opened.size, "white")
                picture.alpha_composite(opened.convert("RGBA"))
            else:
                picture = opened.copy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as a picture: {error}") from None
    return Still(path.stem, shrink(np.asarray(picture.convert("RGB")), long_side, path))


def read_clip(path: pathlib.Path, long_side: int, num_frames: int, seed: int) -> Clip:
    """Reads some consecutive frames of a video and scales them down.

    Args:
      path: of the video.
      long_side: of the result, pixels; a smaller video keeps its size.
      num_frames: how many; fewer if there are no more.
      seed: chooses where to begin.

    Raises:
      InputError: it can't be read, or has no three frames that differ.
    """
    frames: list[Picture] = []
    with open_video(path) as video:
        for picture in video:
            frames.append(shrink(picture, long_side, path))
            if len(frames) == _MOST_FRAMES:
                break
    frames = without_repetitions(frames)
    if len(frames) < 3:
        raise InputError(f"{path}: expected a video with three different frames or more")
    start = _choose_start(frames, num_frames, seed)
    return Clip(path.stem, frames[start : start + num_frames], start)


def shrink(
    picture: Picture, long_side: int, path: pathlib.Path
) -> UInt8[np.ndarray, "new_h new_w 3"]:
    """Scales a picture down so that its longer side is at most `long_side`.

    Raises:
      InputError: a side has less than 16 pixels then; `path` is for the message.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = (round(width * scale), round(height * scale))
    if min(size) < _MIN_SIDE:
        raise InputError(f"{path}: {width}x{height} pixels are too few or too narrow to measure on")
    if scale == 1:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def without_repetitions(frames: list[Picture]) -> list[Picture]:
    """Leaves out frames that only repeat the one before, as a change of the frame rate leaves them.

    A clip in which most frames repeat is kept as it is.
    """
    changes = np.array(
        [np.abs(b.astype(np.int16) - a).mean() for a, b in zip(frames, frames[1:], strict=False)]
    )
    if not len(changes):
        return frames
    limit = _REPEATED * float(np.median(changes))
    return frames[:1] + [
        frame for frame, change in zip(frames[1:], changes, strict=True) if change >= limit
    ]


def _choose_start(frames: list[Picture], num_frames: int, seed: int) -> int:
    """A start, drawn at random, of a window without a cut; with few cuts if all have some."""
    last = max(0, len(frames) - num_frames)
    starts = np.random.default_rng(seed).permutation(np.arange(0, last + 1, _STEP))
    detector = CutDetector()
    best, fewest = 0, len(frames)
    for start in starts.tolist():
        window = frames[start : start + num_frames]
        cuts = sum(detector.is_cut(a, b) for a, b in zip(window, window[1:], strict=False))
        if cuts < fewest:
            best, fewest = start, cuts
        if cuts == 0:
            break
    return best
