"""Makes miniatures of the authors' archives, in the exact layout of the real ones."""

import hashlib
import tarfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "bunny.mp4"

# Boxes inside, at the top left corner, and over the right edge of frames of 320x180.
FACES = {
    "train": {"t_one.avi": (120, 60, 159, 99), "t_two.avi": (4, 2, 43, 51)},
    "valid": {"v_one.avi": (270, 90, 309, 129)},
}
FACE_FRAMES = {"t_one.avi": 19, "t_two.avi": 8, "v_one.avi": 5}
MOMENTS = {
    "train": {"abc_1_2": (180, 320, 11), "def_3_4": (320, 180, 4)},
    "valid": {"ghi_5_6": (180, 320, 3)},
    "test": {"jkl_7_8": (150, 200, 5)},
}


def sample_frames(count, *, start=0):
    """Frames of the sample clip as uint8 (180, 320, 3)."""
    with av.open(str(SAMPLE)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return frames[start : start + count]


def write_video(path, frames, *, rate=25, codec="mpeg4"):
    """Writes a video with PyAV alone, at high quality."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.qmin = stream.codec_context.qmax = 2
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def make_faces(folder: Path) -> str:
    """Makes FaceForensics_AVIs.tar in a folder; returns its MD5."""
    top = folder / "faces_content" / "FaceForensics_AVIs"
    for number, (split, boxes) in enumerate(FACES.items()):
        (top / split).mkdir(parents=True)
        lines = [f"{name} {' '.join(map(str, box))}\n" for name, box in boxes.items()]
        (top / split / "rect.txt").write_text("".join(lines))
        for name in boxes:
            frames = sample_frames(FACE_FRAMES[name], start=3 * number)
            write_video(top / split / name, frames)
    return _pack(top, folder / "FaceForensics_AVIs.tar")


def make_moments(folder: Path) -> tuple[str, dict[str, str]]:
    """Makes video2gif_segments.tar and the lists; returns its MD5 and the lists' SHA-256."""
    top = folder / "moments_content" / "segments"
    top.mkdir(parents=True)
    sums = {}
    for split, videos in MOMENTS.items():
        lines = ["video height width nframe\n"]
        for name, (height, width, frames) in videos.items():
            lines.append(f"{name}.mp4 {height} {width} {frames}\n")
            pictures = [
                np.asarray(Image.fromarray(frame).resize((width, height)))
                for frame in sample_frames(frames)
            ]
            write_video(top / f"{name}.mp4", pictures)
        path = folder / f"video_info_{split}.txt"
        path.write_text("".join(lines))
        sums[split] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _pack(top, folder / "video2gif_segments.tar"), sums


def make_open(folder: Path) -> None:
    """Makes a folder of own pictures and a clip, in the layout of a fetched corpus."""
    frames = sample_frames(52)
    for split, numbers in {"train": (0, 20), "validation": (40,)}.items():
        (folder / split).mkdir(parents=True)
        for number in numbers:
            name = f"picture{chr(97 + number)}.png"
            Image.fromarray(np.roll(frames[number], number, axis=1)).save(folder / split / name)
    write_video(folder / "train" / "walk.mp4", frames[:13])


def _pack(content: Path, archive: Path) -> str:
    with tarfile.open(archive, "w") as tar:
        tar.add(content, arcname=content.name)
    return hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
