"""Finds pictures and videos that show the same thing, so that a split keeps them together.

Two files share a group if their names differ only by a size or a variant (`lake-dark_1920x1080.jpg`
and `lake.jpg`), or if small grey copies look alike: nearly the same signs of differences across
and down (a difference hash of 128 bits), and a high correlation. Grouping too much is harmless,
too little leaks training pictures into validation; the bounds lean that way.
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.media import open_video

# Of 128 bits; unrelated photographs differ by about 64, re-encoded or scaled ones by at most a few.
MAX_HASH_DISTANCE = 12
MIN_CORRELATION = 0.95
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


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """What a picture looks like, roughly.

    Attributes:
      across: signs of differences to the right, 64 bits.
      down: signs of differences downwards, 64 bits.
      grey: 9x9 grey values, zero mean, unit length.
    """

    across: int
    down: int
    grey: Float[np.ndarray, "81"]


def fingerprint(image: Image.Image) -> Fingerprint | None:
    """The fingerprint of a picture, or None if it is too flat to tell by one."""
    image.draft("L", (72, 72))
    small = image.convert("L").resize((9, 9), Image.Resampling.BOX)
    grey = np.asarray(small, np.float32)
    across, down = np.diff(grey[:8], axis=1), np.diff(grey[:, :8], axis=0)
    if np.count_nonzero(np.abs(across) > 2) + np.count_nonzero(np.abs(down) > 2) < 32:
        return None
    flat = (grey - grey.mean()).ravel()
    return Fingerprint(_bits(across), _bits(down), flat / np.linalg.norm(flat))


def _bits(differences: Float[np.ndarray, "8 8"]) -> int:
    return int.from_bytes(np.packbits(differences > 0).tobytes(), "big")


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
    prints = [_fingerprint_of(folder / path, kinds[path]) for path in paths]
    known = np.array([i for i, value in enumerate(prints) if value is not None], int)
    found = [value for value in prints if value is not None]
    across = np.array([value.across for value in found], np.uint64)
    down = np.array([value.down for value in found], np.uint64)
    grey = np.array([value.grey for value in found]).reshape(-1, 81)
    for place in range(len(found)):
        rest = slice(place + 1, None)
        distance = np.bitwise_count(across[rest] ^ across[place]).astype(int)
        distance += np.bitwise_count(down[rest] ^ down[place])
        alike = (distance <= MAX_HASH_DISTANCE) & (grey[rest] @ grey[place] >= MIN_CORRELATION)
        for other in np.nonzero(alike)[0]:
            join(int(known[place]), int(known[place + 1 + other]))
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


def _fingerprint_of(path: Path, kind: str) -> Fingerprint | None:
    try:
        if kind == "still":
            with Image.open(path) as image:
                return fingerprint(image)
        with open_video(path) as video:
            return fingerprint(Image.fromarray(next(video)))
    except (InputError, OSError, SyntaxError, ValueError, StopIteration):
        return None
    except Image.DecompressionBombError:
        return None
