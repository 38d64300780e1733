"""GIF-Faces: one face track of each FaceForensics video, cut out and made a GIF.

Facts of the archive, the crop and the counts are those of the authors' code.
"""

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

SIDE = 256
Box = tuple[int, int, int, int]


def face_box(x1: int, y1: int, x2: int, y2: int) -> Box:
    """The part of a frame that is kept for a face found at (x1, y1) to (x2, y2), inclusive.

    Expanded 1.5 times, made square, expanded 1.5 times again. Coordinates are cut to integers and
    clamped at 0 on each way; the square's top left corner stays, so that the face is not centred
    where the box was not square; and what lies beyond the frame is cut off later, so that the crop
    may not be square.
    """
    x1, y1, x2, y2 = _expand(x1, y1, x2, y2)
    side = max(y2 - y1 + 1, x2 - x1 + 1)
    return _expand(x1, y1, x1 + side - 1, y1 + side - 1)


def _expand(x1: int, y1: int, x2: int, y2: int) -> Box:
    """1.5 times about the middle: the middle plus and minus 0.75 of the size."""
    width, height = x2 - x1 + 1, y2 - y1 + 1
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    corners = (
        middle_x - 0.75 * width,
        middle_y - 0.75 * height,
        middle_x + 0.75 * width,
        middle_y + 0.75 * height,
    )
    left, top, right, bottom = (max(0, int(value)) for value in corners)
    return left, top, right, bottom


def prepare_face(
    frame: UInt8[np.ndarray, "h w 3"], item: VideoItem
) -> UInt8[np.ndarray, "256 256 3"]:
    """Cuts the face out and resizes it to 256x256, as OpenCV does.

    Raises:
      InputError: if the box lies outside the frame.
    """
    left, top, right, bottom = face_box(*item.box)
    crop = frame[top : bottom + 1, left : right + 1]
    if crop.size == 0:
        raise InputError(
            f"{item.path}: the face at {item.box} lies outside the frame of "
            f"{frame.shape[1]}x{frame.shape[0]}"
        )
    return resize_bilinear(crop, SIDE, SIDE)


def read_boxes(path: Path) -> dict[str, Box]:
    """Reads a `rect.txt`: lines of `name.avi x1 y1 x2 y2`.

    Raises:
      InputError: if it is missing, or a line is not of this form.
    """
    try:
        text = path.read_text()
    except OSError:
        raise InputError(f"{path}: missing, expected the faces' boxes of the archive") from None
    boxes: dict[str, Box] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        words = line.split()
        try:
            name, (x1, y1, x2, y2) = words[0], (int(float(word)) for word in words[1:])
        except ValueError:
            raise InputError(
                f"{path}: line {number} is {line!r}, expected 'name.avi x1 y1 x2 y2'"
            ) from None
        boxes[name] = (x1, y1, x2, y2)
    return boxes


class Builder(ClipBuilder):
    """TFDS builder of GIF-Faces."""

    ARCHIVE = "FaceForensics_AVIs.tar"
    FOLDER = "FaceForensics_AVIs"
    MD5 = "429c9b319e5011cbf0801d3f3475ad89"
    URL = f"http://vision.cs.stonybrook.edu/~yangwang/public/gif2video/{ARCHIVE}"
    # Our split's name -> the archive's folder.
    SPLITS = {"train": "train", "validation": "valid"}
    PUBLISHED = {"train": (883, 457_788), "validation": (104, 51_368)}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Put {ARCHIVE} (3.7 GB, MD5 {MD5}), or its folder {FOLDER} with train/*.avi, "
        "train/rect.txt, valid/*.avi and valid/rect.txt, into the folder of manual downloads "
        "(--manual_dir). FaceForensics asks for its terms of use to be accepted first."
    )

    def _clip_recipe(self) -> ClipRecipe:
        return ClipRecipe(
            gif=self.builder_config.gif,
            prepare=prepare_face,
            chunk_frames=self.builder_config.chunk_frames,
        )

    def _sources(self, dl_manager: Any) -> Mapping[str, Sequence[VideoItem]]:
        folder = archives.find_folder(
            dl_manager,
            folder=self.FOLDER,
            archive=self.ARCHIVE,
            md5=self.MD5,
            url=self.URL,
            instructions=self.MANUAL_DOWNLOAD_INSTRUCTIONS,
        )
        return {split: self._items(folder / name, split) for split, name in self.SPLITS.items()}

    def _items(self, folder: Path, split: str) -> list[VideoItem]:
        boxes = read_boxes(folder / "rect.txt")
        published, _ = self.PUBLISHED[split]
        if len(boxes) != published and not self.builder_config.allow_missing:
            raise InputError(
                f"{folder / 'rect.txt'}: names {len(boxes)} videos, expected {published}"
            )
        return archives.video_items(
            folder,
            {name: {"box": boxes[name]} for name in sorted(boxes)},
            source=f"{self.ARCHIVE} (MD5 {self.MD5})",
            allow_missing=self.builder_config.allow_missing,
        )
