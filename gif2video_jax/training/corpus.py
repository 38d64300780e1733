"""Reads a packed corpus: one ZIP file of encoded pictures and clips with a manifest.

Pillow and NumPy alone, so that a data worker or an accelerator image without any data library can
train. `gif2video_jax.datasets.open_corpus pack` writes such files.
"""

import dataclasses
import io
import json
import os
import zipfile
import zlib

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Item:
    """One still or clip of a corpus.

    Attributes:
      kind: "still" or "clip".
      split: "train" or "validation".
      group: near-duplicates share it; they are drawn as one picture would be.
      paths: members of the ZIP file, one a frame.
    """

    kind: str
    split: str
    group: str
    paths: tuple[str, ...]


class PackedCorpus:
    """A packed corpus, decoded on demand and kept in memory.

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
        self._groups = sorted({item.group for item in self.items})

    def random_item(self, rng: np.random.Generator) -> Item:
        """Draws a group evenly, then one of its items."""
        group = self._groups[rng.integers(len(self._groups))]
        members = [item for item in self.items if item.group == group]
        return members[rng.integers(len(members))]

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
    return Item(entry["kind"], entry["split"], entry["group"], tuple(paths))
