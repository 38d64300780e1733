"""What is in a corpus: the list of the open corpus, a fetched folder, or any folder of pictures.

A corpus is a folder of stills and clips, each with a split and a group. Near-duplicates (sizes and
colourings of one picture) share a group, and a group lies in one split.
"""

import dataclasses
import functools
import importlib.resources
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gif2video_jax.datasets import near_duplicates
from gif2video_jax.errors import InputError

MANIFEST = "corpus.json"
SPLITS = ("train", "validation", "test")
STILL_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
CLIP_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ogv", ".y4m")


@dataclasses.dataclass(frozen=True)
class Package:
    """A distribution package that files of the open corpus come from.

    Attributes:
      name: as the client knows it.
      client: "apt" or "pip".
      version: that the list was made with.
      origin: project and address.
    """

    name: str
    client: str
    version: str
    origin: str


@dataclasses.dataclass(frozen=True)
class ListedFile:
    """One file of the open corpus, as `gif_open/open_corpus.json` lists it.

    Attributes:
      package: name of the package that holds it.
      path: inside the package.
      name: what it is called in a fetched folder, without split and kind.
      split: "train", "validation" or "test".
      kind: "still" or "clip".
      style: "photograph" or "drawing" (renderings and synthetic pictures included).
      group: shared by renderings of one picture.
      licence: SPDX name where there is one.
      author: as the package states.
      sha256: of the file, in hexadecimal digits.
      bytes: size.
      background: ("vertical" or "horizontal", first colour, last colour): the gradient that a
        transparent picture was drawn to lie on; empty for opaque pictures.
      note: more about it.
    """

    package: str
    path: str
    name: str
    split: str
    kind: str
    style: str
    group: str
    licence: str
    author: str
    sha256: str
    bytes: int
    background: tuple[str, ...] = ()
    note: str = ""

    @property
    def place(self) -> str:
        """Path in a fetched folder, such as `train/stills/mate-backgrounds/Dune.jpg`."""
        return f"{self.split}/{self.kind}s/{self.name}"


@dataclasses.dataclass(frozen=True)
class OpenCorpus:
    """The list of the open corpus."""

    packages: tuple[Package, ...]
    files: tuple[ListedFile, ...]
    skipped: tuple[dict[str, str], ...]
    notice: tuple[str, ...]


@functools.cache
def open_corpus_list() -> OpenCorpus:
    """The list that comes with the package."""
    resource = importlib.resources.files(__package__) / "gif_open" / "open_corpus.json"
    data = json.loads(resource.read_text(encoding="utf-8"))
    files = [{**f, "background": tuple(f.get("background", ()))} for f in data["files"]]
    return OpenCorpus(
        packages=tuple(Package(**package) for package in data["packages"]),
        files=tuple(ListedFile(**file) for file in files),
        skipped=tuple(data["skipped"]),
        notice=tuple(data["notice"]),
    )


@dataclasses.dataclass(frozen=True)
class CorpusItem:
    """One still or clip of a corpus on disk.

    Attributes:
      path: relative to the corpus' folder, with "/" between its parts.
      kind: "still" or "clip".
      split: "train", "validation" or "test".
      group: shared by near-duplicates.
      style: "photograph", "drawing" or "unknown".
      licence: "unknown" in a folder without a list.
      author: likewise.
      background: see `ListedFile`.
    """

    path: str
    kind: str
    split: str
    group: str
    style: str = "unknown"
    licence: str = "unknown"
    author: str = "unknown"
    background: tuple[str, ...] = ()


def read_corpus(folder: str | os.PathLike) -> list[CorpusItem]:
    """Lists a corpus on disk: a folder that `fetch` made, or any folder of pictures and videos.

    A folder without a `corpus.json` is searched, subfolders included, for files with the suffixes
    of stills and clips. Near-duplicates are grouped (see `near_duplicates`), and each group gets a
    split from a hash of its name: about one group in ten, and at least one of two or more,
    validates. If the top folders are called `train`, `validation` and `test`, they decide instead.

    Raises:
      InputError: if the folder is missing, holds nothing, or its corpus.json is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected one with pictures or videos")
    manifest = folder / MANIFEST
    items = _read_manifest(manifest) if manifest.exists() else _scan(folder)
    if not items:
        expected = " ".join(STILL_SUFFIXES + CLIP_SUFFIXES)
        raise InputError(f"{folder}: holds no pictures or videos, expected {expected}")
    return items


def write_manifest(folder: Path, items: list[CorpusItem]) -> None:
    """Writes the `corpus.json` that `read_corpus` reads."""
    content = {"version": 1, "items": [dataclasses.asdict(item) for item in items]}
    temporary = folder / (MANIFEST + ".partial")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(temporary, folder / MANIFEST)


def _read_manifest(path: Path) -> list[CorpusItem]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        items = [_item(entry) for entry in content["items"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a corpus list ({error!r}); fetch the corpus again") from None
    missing = [item.path for item in items if not (path.parent / item.path).is_file()]
    if missing:
        raise InputError(
            f"{path.parent}: {len(missing)} of {len(items)} listed files are missing, such as "
            f"{missing[0]}; fetch the corpus again"
        )
    return items


def _item(entry: dict[str, Any]) -> CorpusItem:
    return CorpusItem(**{**entry, "background": tuple(entry.get("background", ()))})


def _scan(folder: Path) -> list[CorpusItem]:
    kinds = dict(_files(folder))
    groups = near_duplicates.group_files(folder, list(kinds), kinds)
    tops = {path.split("/")[0] for path in kinds if "/" in path}
    if tops and tops <= set(SPLITS) and all("/" in path for path in kinds):
        splits = {path: path.split("/")[0] for path in kinds}
    else:
        chosen = near_duplicates.hash_splits(set(groups.values()))
        splits = {path: chosen[groups[path]] for path in kinds}
    return [CorpusItem(path, kinds[path], splits[path], groups[path]) for path in kinds]


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """Relative paths and kinds of the pictures and videos in a folder, sorted."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        if path.suffix.lower() in STILL_SUFFIXES:
            yield relative.as_posix(), "still"
        elif path.suffix.lower() in CLIP_SUFFIXES:
            yield relative.as_posix(), "clip"
