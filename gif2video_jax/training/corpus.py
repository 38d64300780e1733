"""Where training pictures come from: what every source gives, and the packed corpus.

A packed corpus is one ZIP file of encoded pictures and clips with a manifest. It is read by Pillow
and NumPy alone, so that a data worker or an accelerator image without any data library can train.
`gif2video_jax.datasets.open_corpus pack` writes such files. `sources` has the other sources.
"""

import abc
import dataclasses
import functools
import io
import json
import os
import zipfile
import zlib

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.errors import InputError

PHOTOGRAPH = "photograph"


@dataclasses.dataclass(frozen=True)
class Item:
    """One still or clip of a corpus.

    Attributes:
      kind: "still" or "clip".
      split: "train" or "validation".
      group: near-duplicates share it; they are drawn as one picture would be.
      paths: members of the ZIP file, one a frame; of other sources, what they know it by.
      num_frames: at least 1; of a packed corpus, the number of paths.
      style: "photograph" or "drawing" where a packed corpus says so.
    """

    kind: str
    split: str
    group: str
    paths: tuple[str, ...]
    num_frames: int = 0
    style: str = ""

    def __post_init__(self):
        """Counts the paths where no number is given."""
        if not self.num_frames:
            object.__setattr__(self, "num_frames", len(self.paths))


class Source(abc.ABC):
    """Stills or clips of one split. Pickles, since data workers get it.

    Attributes:
      items: of the split, in an order that never changes; at least one.
      has_gifs: whether `gif_frames` has any.
    """

    items: list[Item]
    has_gifs = False

    @abc.abstractmethod
    def frame(self, item: Item, index: int = 0) -> UInt8[np.ndarray, "h w 3"]:
        """Decodes one frame of an item.

        Raises:
          InputError: if it is missing or broken.
        """

    def frames(self, item: Item, numbers: range) -> UInt8[np.ndarray, "n h w 3"]:
        """Decodes several frames of an item."""
        return np.stack([self.frame(item, number) for number in numbers])

    def gif_frames(self, item: Item, numbers: range) -> dict[str, np.ndarray]:
        """Stored GIFs: truth, indices, palette and num_colors of each frame.

        Raises:
          InputError: if the source stores none.
        """
        raise InputError(f"{self}: stores no GIFs; give a recipe to make them by, not 'stored'")

    @functools.cached_property
    def _by_group(self) -> list[list[Item]]:
        groups: dict[str, list[Item]] = {}
        for item in self.items:
            groups.setdefault(item.group, []).append(item)
        return [groups[group] for group in sorted(groups)]

    @functools.cached_property
    def _by_style(self) -> tuple[list[list[Item]], list[list[Item]]]:
        """The groups of photographs, and the others."""
        photographs = [g for g in self._by_group if g[0].style == PHOTOGRAPH]
        return photographs, [g for g in self._by_group if g[0].style != PHOTOGRAPH]

    def random_item(self, rng: np.random.Generator, photograph_share: float | None = None) -> Item:
        """Draws a group evenly, then one of its items.

        Args:
          rng: source of randomness.
          photograph_share: how often it is to be a photograph; None as many as there are. A source
            that has but one of both kinds, or does not know, gives what it has.
        """
        groups = self._by_group
        if photograph_share is not None and all(self._by_style):
            groups = self._by_style[0 if rng.random() < photograph_share else 1]
        members = groups[rng.integers(len(groups))]
        return members[rng.integers(len(members))]


class PackedCorpus(Source):
    """A packed corpus, decoded on demand; stills stay in memory.

    Attributes:
      items: those of the chosen split and kind.
    """

    def __init__(self, path: str | os.PathLike, *, split: str, kind: str):
        """Opens the file and reads its manifest.

        Raises:
          InputError: if the file is missing, no packed corpus, or has nothing of this kind.
        """
        self._path = os.fspath(path)
        self._cache: dict[str, np.ndarray] = {}
        try:
            with zipfile.ZipFile(self._path) as archive:
                manifest = json.loads(archive.read("manifest.json"))
            self.items = [
                _item(entry)
                for entry in manifest["items"]
                if entry["split"] == split and entry["kind"] == kind
            ]
        except FileNotFoundError:
            raise InputError(
                f"{self._path}: no such packed corpus; make one with "
                "`python -m gif2video_jax.datasets.open_corpus pack`"
            ) from None
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{self._path}: not a packed corpus ({error})") from None
        if not self.items:
            raise InputError(f"{self._path}: holds no {kind} of the split {split!r}")

    def __str__(self) -> str:
        """The file's path."""
        return self._path

    def frame(self, item: Item, index: int = 0) -> UInt8[np.ndarray, "h w 3"]:
        """Decodes one frame of an item (a still has one); stills stay in memory.

        Raises:
          InputError: if the picture is missing or broken.
        """
        path = item.paths[index]
        if path in self._cache:
            return self._cache[path]
        try:
            with zipfile.ZipFile(self._path) as archive:
                image = Image.open(io.BytesIO(archive.read(path))).convert("RGB")
        except (OSError, KeyError, SyntaxError, zlib.error, zipfile.BadZipFile) as error:
            # Pillow reports some broken PNG files as syntax errors.
            raise InputError(f"{self._path}: cannot read its picture {path} ({error})") from None
        array = np.asarray(image)
        if item.kind == "still":
            self._cache[path] = array
        return array


def _item(entry: dict) -> Item:
    paths = entry.get("frame_paths") or [entry["path"]]
    style = entry.get("style", "")
    return Item(entry["kind"], entry["split"], entry["group"], tuple(paths), style=style)
