"""Packs a corpus into one file that trains with Pillow and NumPy alone.

The file is a ZIP archive, stored and not deflated since its members are JPEGs, so that any of them
is read with one seek. Its first member `manifest.json` says

    {"version": 1, "items": [{
      "path": "stills/0000.jpg",           of a clip: its folder, "clips/0000"
      "frame_paths": [...],                clips only: one JPEG a frame
      "kind": "still" | "clip", "split": "train" | "validation",
      "group": ...,                        near-duplicates share it
      "width", "height", "frames": numbers, "rate": frames a second, "25/1", or null,
      "style", "licence", "author", "source": words}]}

Pictures are packed smaller than they came, which hides the damage of their own coding, in JPEG
without chroma subsampling. Test pictures are never packed.
"""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from gif2video_jax.datasets.corpus_list import CorpusItem, read_corpus
from gif2video_jax.datasets.pictures import fit, load_still
from gif2video_jax.errors import InputError
from gif2video_jax.media import open_video

# From the best down, until the file fits: JPEG quality of stills; of clips; share of the sides.
_STEPS = [
    (95, 92, 1.0),
    (93, 90, 1.0),
    (90, 88, 1.0),
    (88, 85, 0.9),
    (85, 82, 0.8),
    (82, 80, 0.7),
    (80, 75, 0.5),
    (75, 70, 0.35),
    (70, 60, 0.25),
]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one date, so that equal input gives an equal file


@dataclasses.dataclass
class PackSummary:
    """What a packed corpus holds.

    Attributes:
      stills: number packed.
      clips: number packed.
      bytes: size of the file.
      unreadable: what was skipped, a line for each file.
    """

    stills: int = 0
    clips: int = 0
    bytes: int = 0
    unreadable: list[str] = dataclasses.field(default_factory=list)


def pack(
    source: str | os.PathLike,
    output: str | os.PathLike,
    *,
    max_side: int = 1024,
    max_clip_side: int = 384,
    max_megabytes: float | None = 30,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> PackSummary:
    """Packs the train and validation splits of a corpus into one file.

    If the file gets too large, it is packed again with lower quality and then smaller pictures.

    Args:
      source: a folder that `fetch` made, or any folder of pictures and videos.
      output: the ZIP file; it appears only when whole.
      max_side: longest side of stills, pixels.
      max_clip_side: longest side of clips, pixels.
      max_megabytes: of 10**6 bytes; None for no bound.
      overwrite: replace an existing file.
      report: called with a line for each attempt and unreadable file.

    Raises:
      InputError: if there is nothing to pack, nothing readable, the bound can't be met, or
        `output` exists.
    """
    output = Path(output)
    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists; say --overwrite to replace it")
    items = [item for item in read_corpus(source) if item.split != "test"]
    if not items:
        raise InputError(f"{source}: holds only test pictures, expected some to train on")
    limit = None if max_megabytes is None else int(max_megabytes * 1e6)
    partial = output.with_name(output.name + ".partial")
    try:
        for still_quality, clip_quality, share in _STEPS:
            packing = _Packing(
                root=Path(source),
                sides={"still": round(max_side * share), "clip": round(max_clip_side * share)},
                qualities={"still": still_quality, "clip": clip_quality},
                limit=limit,
            )
            summary = packing.write(items, partial)
            if summary is not None:
                break
            report(f"over {max_megabytes} MB at JPEG quality {still_quality}: packing smaller")
        else:
            raise InputError(
                f"{source}: doesn't fit {max_megabytes} MB at quality {_STEPS[-1][0]}; allow more, "
                "or pack fewer pictures"
            )
        for line in summary.unreadable:
            report(f"skipped {line}")
        if not summary.stills + summary.clips:
            raise InputError(f"{source}: none of {len(items)} files can be read")
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)
    return summary


@dataclasses.dataclass
class _Packing:
    """One attempt at a packed file."""

    root: Path
    sides: dict[str, int]
    qualities: dict[str, int]
    limit: int | None

    def write(self, items: list[CorpusItem], path: Path) -> PackSummary | None:
        """Writes the file, or returns None as soon as it gets too large."""
        summary = PackSummary()
        entries = []
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for item in items:
                number = summary.stills if item.kind == "still" else summary.clips
                try:
                    entry = self._add(archive, item, f"{item.kind}s/{number:04d}")
                except InputError as error:
                    summary.unreadable.append(str(error))
                    continue
                if self.limit is not None and archive.fp.tell() > self.limit:  # type: ignore
                    return None
                entries.append(entry)
                summary.stills += item.kind == "still"
                summary.clips += item.kind == "clip"
            manifest = json.dumps({"version": 1, "items": entries}, ensure_ascii=False)
            _store(archive, "manifest.json", manifest.encode())
        summary.bytes = path.stat().st_size
        if self.limit is not None and summary.bytes > self.limit:
            return None
        return summary

    def _add(self, archive: zipfile.ZipFile, item: CorpusItem, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "path": name,
            "kind": item.kind,
            "split": item.split,
            "group": item.group,
            "width": 0,
            "height": 0,
            "frames": 1,
            "rate": None,
            "style": item.style,
            "licence": item.licence,
            "author": item.author,
            "source": item.path,
        }
        if item.kind == "still":
            image = load_still(
                self.root / item.path, max_side=self.sides["still"], background=item.background
            )
            entry["path"] = name + ".jpg"
            _store(archive, entry["path"], self._encode(image, "still"))
        else:
            with open_video(self.root / item.path) as video:
                entry["rate"] = str(video.rate)
                paths = []
                for image in self._frames(video):
                    paths.append(f"{name}/{len(paths):05d}.jpg")
                    _store(archive, paths[-1], self._encode(image, "clip"))
            entry["frame_paths"] = paths
            entry["frames"] = len(paths)
        entry["width"], entry["height"] = image.size
        return entry

    def _frames(self, video) -> Iterator[Image.Image]:
        for frame in video:
            yield fit(Image.fromarray(frame), self.sides["clip"])

    def _encode(self, image: Image.Image, kind: str) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=self.qualities[kind], subsampling=0, optimize=True)
        return buffer.getvalue()


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
