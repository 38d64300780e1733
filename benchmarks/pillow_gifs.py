"""Reads every GIF of a folder and compares the frames with ffmpeg's and Pillow's.

    python benchmarks/pillow_gifs.py FOLDER | pillow-X.Y.Z.tar.gz

The folder that it was made for is Tests/images of Pillow's source distribution, which holds GIFs
that broke one reader or another; `pip download --no-deps --no-binary pillow pillow` fetches it.
Prints one line a file: read, failed cleanly (with the message), or crashed, and for those read
which oracle differs, in which frames, and how. Exit code 1 if a file crashed the reader.
"""

import argparse
import dataclasses
import shutil
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.reader import Gif, read_gif


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of one file: "read", "refused" or "crashed", and the details."""

    outcome: str
    details: list[str]
    differs: frozenset[str] = frozenset()


def rgba_of(gif: Gif) -> list[np.ndarray]:
    """Our frames with an alpha channel."""
    opaque = np.ones((gif.height, gif.width), bool)
    return [
        np.dstack([f.rgb, np.where(opaque if f.alpha is None else f.alpha, 255, 0)]).astype(
            np.uint8
        )
        for f in gif.frames
    ]


def ffmpeg_frames(path: Path, width: int, height: int) -> list[np.ndarray]:
    """Every frame as ffmpeg composites it; it fails by an exception."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgba", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if not done.stdout:
        raise ValueError(done.stderr.decode(errors="replace").strip().splitlines()[-1][:100])
    data = np.frombuffer(done.stdout, np.uint8)
    if data.size % (width * height * 4):
        raise ValueError("another picture size")
    return list(data.reshape(-1, height, width, 4))


def pillow_frames(path: Path, width: int, height: int) -> list[np.ndarray]:
    """Every frame as Pillow composites it; it fails by an exception."""
    frames = []
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            if frame.size != (width, height):
                raise ValueError(f"another picture size, {frame.size}")
            frames.append(np.array(frame.convert("RGBA")))
    return frames


def difference(ours: list[np.ndarray], theirs: list[np.ndarray]) -> str | None:
    """Says how two lists of RGBA frames differ; colours count only where both are opaque."""
    if len(ours) != len(theirs):
        return f"{len(theirs)} frames, ours are {len(ours)}"
    for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        alpha = our[..., 3] != their[..., 3]
        color = (our[..., :3] != their[..., :3]).any(2) & ~alpha & (our[..., 3] > 0)
        if alpha.any() or color.any():
            return (
                f"frame {index} of {len(ours)}: {alpha.sum()} pixels by alpha, "
                f"{color.sum()} by colour, of {alpha.size}"
            )
    return None


def examine(path: Path) -> Report:
    """Reads one file and compares it."""
    try:
        gif = read_gif(path)
    except InputError as error:
        return Report("refused", [str(error).removeprefix(f"{path}: ")])
    except Exception as error:  # what this program is here to find
        return Report("crashed", [repr(error)])
    size = f"{gif.width}x{gif.height}, {len(gif.frames)} frames"
    details = [f"{size}" + "".join(f"; {problem}" for problem in gif.problems)]
    differs = set()
    oracles = {"Pillow": pillow_frames}
    if shutil.which("ffmpeg"):
        oracles["ffmpeg"] = ffmpeg_frames
    for name, frames_of in oracles.items():
        try:
            how = difference(rgba_of(gif), frames_of(path, gif.width, gif.height))
        except Exception as error:  # an oracle may fail in any way
            how = f"cannot read it: {error}"
        if how:
            differs.add(name)
            details.append(f"{name}: {how}")
    return Report("read", details, frozenset(differs))


def main() -> int:
    """Examines all GIFs and prints the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a folder, or Pillow's source distribution")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, about the files
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.source
        if source.is_file():
            with tarfile.open(source) as archive:
                gifs = [item for item in archive.getmembers() if item.name.endswith(".gif")]
                archive.extractall(folder, members=gifs, filter="data")
            source = Path(folder)
        reports = {path: examine(path) for path in sorted(source.rglob("*.gif"))}
    outcomes = Counter(report.outcome for report in reports.values())
    for path, report in reports.items():
        print(f"{report.outcome:8} {path.name}: " + "\n         ".join(report.details))
    read = [report for report in reports.values() if report.outcome == "read"]
    print(
        f"\n{len(reports)} files: {outcomes['read']} read, {outcomes['refused']} refused with a "
        f"message, {outcomes['crashed']} crashed; of those read {sum(not r.differs for r in read)} "
        f"equal both oracles, {sum('ffmpeg' not in r.differs for r in read)} ffmpeg's frames, "
        f"{sum('Pillow' not in r.differs for r in read)} Pillow's"
    )
    return 1 if outcomes["crashed"] else 0


if __name__ == "__main__":
    sys.exit(main())
