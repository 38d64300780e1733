"""A packed corpus of a few small pictures, written without the code that packs real ones."""

import io
import json
import pathlib
import zipfile

import numpy as np
from PIL import Image


def smooth_picture(seed: int, height: int, width: int) -> np.ndarray:
    """Waves of a few directions in each channel: many colours, no hard edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    channels = []
    for _ in range(3):
        a, b, c, d = rng.uniform(0.02, 0.09, 4)
        waves = np.sin(a * x + b * y + rng.uniform(0, 6)) + np.cos(c * x - d * y)
        channels.append(127.5 + 60 * waves)
    return np.clip(np.round(np.stack(channels, -1)), 0, 255).astype(np.uint8)


def png(picture: np.ndarray) -> bytes:
    """The picture as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def write_corpus(path: pathlib.Path, *, num_stills: int = 3, size=(120, 140)) -> pathlib.Path:
    """Writes `num_stills` training stills, one validation still and one two-frame clip."""
    items: list[dict] = []
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(num_stills + 1):
            name = f"still/{index}.png"
            archive.writestr(name, png(smooth_picture(index, *size)))
            split = "train" if index < num_stills else "validation"
            items.append({"kind": "still", "split": split, "group": f"g{index}", "path": name})
        frames = [f"clip/0/{frame}.png" for frame in range(2)]
        for frame, name in enumerate(frames):
            archive.writestr(name, png(smooth_picture(100 + frame, *size)))
        items.append({"kind": "clip", "split": "train", "group": "c0", "frame_paths": frames})
        archive.writestr("manifest.json", json.dumps({"version": 1, "items": items}))
    return path
