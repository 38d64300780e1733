"""Finds pictures and videos that show the same thing, so that a split keeps them together.

Two files share a group if their names differ only by a size or a variant (`lake-dark_1920x1080.jpg`
and `lake.jpg`), or if their small grey copies have nearly the same gradients (the difference hash:
64 signs of horizontal differences on a 9x8 copy). Grouping too much is harmless, too little leaks
training pictures into validation; the bounds lean that way.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.media import open_video

# Of 64 bits; unrelated photographs differ by about 32, re-encoded or scaled ones by at most a few.
MAX_HASH_DISTANCE = 6
VALIDATION_SHARE = 0.1
_SIZE = r"\d{2,5}\s*x\s*\d{2,5}|\d{3,4}p|[248]k"
_VARIANT = r"dark|light|day|night|d|l|small|medium|large|thumb|thumbnail|copy|orig|original|\(\d+\)"


def plain_name(path: str) -> str:
    """The name without suffix, size and variant; that of the folder if only digits are left.

    Numbered frames of one folder thus share a name.
    """
    parts = PurePosixPath(path)
    stem = re.sub(r"@\dx$", "", parts.stem.lower())
    stem = re.sub(rf"(?<![a-z0-9])({_SIZE})(?![a-z0-9])", "", stem)
    before = None
    while before != stem:
        before = stem
        stem = re.sub(rf"[\s_.-]+({_VARIANT})$", "", stem).strip(" _.-")
    if re.search(r"[^\W\d_]", stem):
        return re.sub(r"[\s_.-]+", "-", stem)
    return parts.parent.as_posix() + "/"


def difference_hash(image: Image.Image) -> int | None:
    """64 signs of horizontal differences, or None for a picture too flat to tell by them."""
    image.draft("L", (72, 64))
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    difference = np.diff(grey, axis=1)
    if np.count_nonzero(np.abs(difference) > 2) < 16:
        return None
    return int.from_bytes(np.packbits(difference > 0).tobytes(), "big")


def group_files(folder: Path, paths: list[str], kinds: Mapping[str, str]) -> dict[str, str]:
    """Names the group of each file: the first path of those that belong together.

    Files that cannot be read are grouped by their names alone; whoever reads them reports them.
    """
    parent = list(range(len(paths)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(first: int, second: int) -> None:
        low, high = sorted((root(first), root(second)))
        parent[high] = low

    by_name: dict[str, int] = {}
    for index, path in enumerate(paths):
        join(by_name.setdefault(plain_name(path), index), index)
    hashes = [_hash_file(folder / path, kinds[path]) for path in paths]
    hashed = np.array([i for i, value in enumerate(hashes) if value is not None], int)
    values = np.array([hashes[i] for i in hashed], np.uint64)
    for position in range(len(hashed)):
        distances = np.bitwise_count(values[position + 1 :] ^ values[position])
        for other in np.nonzero(distances <= MAX_HASH_DISTANCE)[0]:
            join(int(hashed[position]), int(hashed[position + 1 + other]))
    return {path: paths[root(index)] for index, path in enumerate(paths)}


def hash_splits(groups: Iterable[str]) -> dict[str, str]:
    """Splits groups into train and validation by a hash of their names, the same everywhere.

    About one in ten validates; of two or more groups at least one does, and at least one trains.
    """
    numbers = {
        group: int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
        for group in groups
    }
    order = sorted(numbers, key=lambda group: (numbers[group], group))
    count = sum(number < VALIDATION_SHARE for number in numbers.values())
    count = min(max(count, 1), len(order) - 1) if order else 0
    return {group: "validation" if place < count else "train" for place, group in enumerate(order)}


def _hash_file(path: Path, kind: str) -> int | None:
    try:
        if kind == "still":
            with Image.open(path) as image:
                return difference_hash(image)
        with open_video(path) as video:
            return difference_hash(Image.fromarray(next(video)))
    except (InputError, OSError, SyntaxError, ValueError, StopIteration):
        return None
    except Image.DecompressionBombError:
        return None
