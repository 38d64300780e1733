"""Packs a corpus into one file that trains with Pillow and NumPy alone.

The file is a ZIP archive, stored and not deflated since its members are JPEGs, so that any of them
is read with one seek. Its last member `manifest.json` says

    {"version": 1, "items": [{
      "path": "stills/00000.jpg",          of a clip: its folder, "clips/00000"
      "frame_paths": [...],                clips only: one JPEG a frame
      "kind": "still" | "clip", "split": "train" | "validation",
      "group": ...,                        near-duplicates share it
      "width", "height", "frames": numbers, "rate": frames a second, "25/1", or null,
      "style", "licence", "author", "source": words, "start": number of a clip's first frame}]}

Pictures are packed smaller than they came, which hides the damage of their own coding, in JPEG
without chroma subsampling. Where all frames of the clips would not fit, runs of 32 frames are
taken evenly out of each, and each run is an item. Test pictures are never packed.
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

RUN_FRAMES = 32
CLIP_QUALITY = 90
# (JPEG quality, share of `max_side`) of stills, from the best down, until they fit.
STILL_STEPS = [
    (95, 1.0),
    (93, 1.0),
    (90, 1.0),
    (90, 0.85),
    (88, 0.7),
    (85, 0.55),
    (85, 0.4),
    (80, 0.3),
]
_CLIPS_SHARE = 1 / 3  # of the file, where there are stills too
_SAMPLE = 12  # stills that are encoded to guess the size of all
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one date, so that equal input gives an equal file


@dataclasses.dataclass
class PackSummary:
    """What a packed corpus holds.

    Attributes:
      stills: number packed.
      clips: number packed, runs of frames counted as clips.
      clip_frames: number packed.
      bytes: size of the file.
      unreadable: what was skipped, a line for each file.
    """

    stills: int = 0
    clips: int = 0
    clip_frames: int = 0
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

    Args:
      source: a folder that `fetch` made, or any folder of pictures and videos.
      output: the ZIP file; it appears only when whole.
      max_side: longest side of stills, pixels; less if the bound asks for it.
      max_clip_side: longest side of clips, pixels.
      max_megabytes: of 10**6 bytes; None for no bound. Clips get at most a third.
      overwrite: replace an existing file.
      report: called with a line for what was chosen and for each unreadable file.

    Raises:
      InputError: if there is nothing to pack, nothing readable, the bound can't be met, or
        `output` exists.
    """
    source, output = Path(source), Path(output)
    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists; say --overwrite to replace it")
    items = [item for item in read_corpus(source) if item.split != "test"]
    stills = [item for item in items if item.kind == "still"]
    clips = [item for item in items if item.kind == "clip"]
    if not items:
        raise InputError(f"{source}: holds only test pictures, expected some to train on")
    limit = None if max_megabytes is None else max_megabytes * 1e6
    clips_limit = limit if limit is None or not stills else limit * _CLIPS_SHARE
    partial = output.with_name(output.name + ".partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            packing = _Packing(source, archive)
            packing.add_clips(clips, max_clip_side, clips_limit)
            rest = None if limit is None else limit - packing.size()
            side, quality = _choose_still_step(source, stills, max_side, rest)
            if stills:
                report(f"stills: at most {side} pixels, JPEG quality {quality}")
            packing.add_stills(stills, side, quality)
            summary = packing.finish()
        summary.bytes = partial.stat().st_size
        for line in summary.unreadable:
            report(f"skipped {line}")
        if not summary.stills + summary.clips:
            raise InputError(f"{source}: none of {len(items)} files can be read")
        if limit is not None and summary.bytes > limit:
            raise InputError(
                f"{source}: takes {summary.bytes / 1e6:.1f} MB at the least size, expected at "
                f"most {max_megabytes}; allow more, or pack fewer pictures"
            )
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)
    return summary


class _Packing:
    """A packed file in the making."""

    def __init__(self, root: Path, archive: zipfile.ZipFile):
        self._root = root
        self._archive = archive
        self._entries: list[dict[str, Any]] = []
        self._summary = PackSummary()

    def size(self) -> int:
        """Bytes so far."""
        return sum(info.compress_size + 120 for info in self._archive.infolist())

    def add_stills(self, items: list[CorpusItem], side: int, quality: int) -> None:
        for item in items:
            try:
                image = _load(self._root, item, side)
            except InputError as error:
                self._summary.unreadable.append(str(error))
                continue
            path = f"stills/{self._summary.stills:05d}.jpg"
            self._store(path, _encode(image, quality))
            self._entries.append(_entry(item, path, image.size))
            self._summary.stills += 1

    def add_clips(self, items: list[CorpusItem], side: int, limit: float | None) -> None:
        share = 1.0
        if limit is not None and items:
            total = sum(_clip_bytes(self._root / item.path, side) for item in items)
            share = min(1.0, limit / max(1.0, total))
        for item in items:
            try:
                self._add_clip(item, side, share)
            except InputError as error:
                self._summary.unreadable.append(str(error))

    def finish(self) -> PackSummary:
        manifest = json.dumps({"version": 1, "items": self._entries}, ensure_ascii=False)
        self._store("manifest.json", manifest.encode())
        return self._summary

    def _add_clip(self, item: CorpusItem, side: int, share: float) -> None:
        entry: dict[str, Any] | None = None
        for number, frame in enumerate(_frames(self._root / item.path)):
            run = number // RUN_FRAMES if share < 1 else 0
            if int((run + 1) * share) == int(run * share):
                entry = None  # this run is left out
                continue
            image = fit(Image.fromarray(frame.pixels), side)
            if entry is None or (share < 1 and number % RUN_FRAMES == 0):
                path = f"clips/{self._summary.clips:05d}"
                entry = _entry(item, path, image.size)
                entry |= {"rate": frame.rate, "start": number, "frames": 0, "frame_paths": []}
                self._entries.append(entry)
                self._summary.clips += 1
            path = f"{entry['path']}/{entry['frames']:05d}.jpg"
            self._store(path, _encode(image, CLIP_QUALITY))
            entry["frame_paths"].append(path)
            entry["frames"] += 1
            self._summary.clip_frames += 1

    def _store(self, name: str, content: bytes) -> None:
        self._archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)


@dataclasses.dataclass(frozen=True)
class _Frame:
    pixels: Any
    rate: str


def _frames(path: Path) -> Iterator[_Frame]:
    with open_video(path) as video:
        for pixels in video:
            yield _Frame(pixels, str(video.rate))


def _clip_bytes(path: Path, side: int) -> float:
    """A guess of what all frames of a clip take, from one in 25; what doesn't decode takes none."""
    total = 0.0
    try:
        for number, frame in enumerate(_frames(path)):
            if number % 25 == 0:
                image = fit(Image.fromarray(frame.pixels), side)
                size = len(_encode(image, CLIP_QUALITY)) + 120
            total += size
    except InputError:
        pass  # reported when it is packed
    return total


def _choose_still_step(
    root: Path, stills: list[CorpusItem], max_side: int, limit: float | None
) -> tuple[int, int]:
    """The largest side and JPEG quality at which all stills fit, judged from a sample of them."""
    best_quality, _ = STILL_STEPS[0]
    if limit is None or not stills:
        return max_side, best_quality
    sample = []
    for item in stills[:: -(-len(stills) // _SAMPLE)]:
        try:
            sample.append(_load(root, item, max_side))
        except InputError:
            continue
    largest = max((max(image.size) for image in sample), default=max_side)
    for quality, share in STILL_STEPS:
        side = max(1, round(largest * share))
        sizes = [len(_encode(fit(image, side), quality)) + 500 for image in sample]
        # A tenth to spare, since a sample is no census.
        if sum(sizes) / max(1, len(sizes)) * len(stills) * 1.1 <= limit:
            break
    return side, quality


def _load(root: Path, item: CorpusItem, side: int) -> Image.Image:
    return load_still(root / item.path, max_side=side, background=item.background)


def _encode(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _entry(item: CorpusItem, path: str, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "path": path,
        "kind": item.kind,
        "split": item.split,
        "group": item.group,
        "width": size[0],
        "height": size[1],
        "frames": 1,
        "rate": None,
        "style": item.style,
        "licence": item.licence,
        "author": item.author,
        "source": item.path,
    }
