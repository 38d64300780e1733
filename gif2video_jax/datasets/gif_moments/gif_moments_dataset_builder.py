"""GIF-Moments: segments of videos that people made GIFs of (Video2GIF), scaled and made GIFs.

Facts of the archive, the splits and the sizes are those of the authors' code and data repository.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.datasets import archives
from gif2video_jax.datasets.clip_builder import ClipBuilder
from gif2video_jax.datasets.clips import ClipRecipe, VideoItem
from gif2video_jax.datasets.opencv_resize import resize_bilinear
from gif2video_jax.errors import InputError

SHORT_SIDE = 360
MULTIPLE = 12


def moment_size(height: int, width: int) -> tuple[int, int]:
    """Size that a segment is scaled to: short side 360, both floored to multiples of 12.

    The authors tell these two rules; that the frame is resized to the floored size rather than
    cut, which bends it by less than 12 of 360 or more pixels, is our choice.
    """
    short = min(height, width)
    scaled = (height * SHORT_SIDE // short, width * SHORT_SIDE // short)
    return scaled[0] // MULTIPLE * MULTIPLE, scaled[1] // MULTIPLE * MULTIPLE


def prepare_moment(
    frame: UInt8[np.ndarray, "h w 3"], item: VideoItem
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Scales a frame, as OpenCV does."""
    del item
    return resize_bilinear(frame, *moment_size(*frame.shape[:2]))


def read_split(path: Path) -> dict[str, int]:
    """Reads a `video_info_*.txt`: names of files and their numbers of frames.

    Raises:
      InputError: if a line is not of the form `video height width nframe`.
    """
    lines = path.read_text().splitlines()
    if not lines or lines[0].split() != ["video", "height", "width", "nframe"]:
        raise InputError(f"{path}: expected the header 'video height width nframe'")
    frames: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if not words:
            continue
        if len(words) != 4 or not words[3].isdigit():
            raise InputError(f"{path}: line {number} is {line!r}, expected four words")
        name = words[0] if words[0].endswith(".mp4") else words[0] + ".mp4"
        frames[Path(name).name] = int(words[3])
    return frames


class Builder(ClipBuilder):
    """TFDS builder of GIF-Moments."""

    ARCHIVE = "video2gif_segments.tar"
    FOLDER = "segments"
    MD5 = "77e2439ac1af5d04eec5714012967f28"
    URL = f"http://vision.cs.stonybrook.edu/~yangwang/public/gif2video/{ARCHIVE}"
    LISTS_URL = (
        "https://raw.githubusercontent.com/yangwangx/gif2video_data/"
        "d55b9ba7aac5f9e2e8381b3e6b66c719ee693482/gif_moments/split/"
    )
    # Split -> (file of the list, its SHA-256).
    LISTS = {
        "train": (
            "video_info_train.txt",
            "f12da47047ca25627e46b5d2dcb3cade776c8bfb213625271f5d4c41bee4b059",
        ),
        "validation": (
            "video_info_valid.txt",
            "d48a916983d01d00ca70f74dfbb3f323e41a20da0a7ddf569e2a41052733b469",
        ),
        "test": (
            "video_info_test.txt",
            "7bde671f99e920e6984e8b93bd5153c74ea6def8bb78e922e2363e3d72d8ae93",
        ),
    }
    PUBLISHED = {"train": (60_838, None), "validation": (3_578, None), "test": (7_159, None)}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Put {ARCHIVE} (84 GB, MD5 {MD5}), or its folder {FOLDER} with *.mp4, into the folder of "
        "manual downloads (--manual_dir), and beside it video_info_train.txt, "
        "video_info_valid.txt and video_info_test.txt of gif_moments/split in "
        "github.com/yangwangx/gif2video_data."
    )

    def _clip_recipe(self) -> ClipRecipe:
        return ClipRecipe(
            gif=self.builder_config.gif,
            prepare=prepare_moment,
            chunk_frames=self.builder_config.chunk_frames,
        )

    def _sources(self, dl_manager: Any) -> Mapping[str, Sequence[VideoItem]]:
        lists = {split: read_split(self._list(dl_manager, split)) for split in self.LISTS}
        folder = archives.find_folder(
            dl_manager,
            folder=self.FOLDER,
            archive=self.ARCHIVE,
            md5=self.MD5,
            url=self.URL,
            instructions=self.MANUAL_DOWNLOAD_INSTRUCTIONS,
        )
        return {split: self._items(folder, frames) for split, frames in lists.items()}

    def _list(self, dl_manager: Any, split: str) -> Path:
        """The file that lists a split, from the folder of manual downloads or the authors."""
        name, expected = self.LISTS[split]
        manual = archives.manual_folder(dl_manager)
        if manual is not None and (manual / name).is_file():
            path = manual / name
        else:
            try:
                path = Path(dl_manager.download(self.LISTS_URL + name))
            except Exception as error:  # of many kinds: no network, no server, a moved page
                raise InputError(
                    f"{name}: {self.LISTS_URL} doesn't answer ({error}). "
                    f"{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
                ) from None
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            raise InputError(f"{path}: SHA-256 {found}, expected {expected} of {name}")
        return path

    def _items(self, folder: Path, frames: dict[str, int]) -> list[VideoItem]:
        return archives.video_items(
            folder,
            {name: {"frames": number} for name, number in frames.items()},
            source=f"{self.ARCHIVE} (MD5 {self.MD5})",
            allow_missing=self.builder_config.allow_missing,
        )
