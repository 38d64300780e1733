"""Quality of the bundled dequantiser on still pictures that training never saw.

    python benchmarks/stills.py [--input FOLDER] [--model default] [--long-side 320]

Makes a GIF frame of each picture in each of four kinds and prints the mean PSNR and SSIM of the
GIF, of a Gaussian blur at its best radius for that kind, and of the
restored frame. Without --input the pictures are scikit-image's astronaut, chelsea, coffee and
rocket, of the project's public test set (needs the extra [test]).
"""

import argparse
import io
import pathlib

import numpy as np
from PIL import Image, ImageFilter

from gif2video_jax.evaluation.metrics import psnr, ssim
from gif2video_jax.gifs.maker import quantize, write_gif
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.pretrained import load_model
from gif2video_jax.restoring.dequantize import Dequantizer

KINDS = (
    (32, "median_cut", "none"),
    (32, "median_cut", "floyd_steinberg"),
    (64, "palettegen", "sierra2_4a"),
    (256, "palettegen", "bayer2"),
)
RADII = (0.3, 0.5, 0.7, 1.0, 1.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", type=pathlib.Path, help="a folder of pictures")
    parser.add_argument("--model", default="default", help="a bundled model or a folder")
    parser.add_argument("--long-side", type=int, default=320, help="pictures are made this small")
    options = parser.parse_args()
    pictures = [shrink(picture, options.long_side) for picture in load(options.input)]
    network = load_model(options.model).dequantizer
    print(f"{len(pictures)} pictures, PSNR dB / SSIM")
    print(f"{'kind':38}{'GIF':>15}{'best blur':>15}{'restored':>15}{'gain dB':>9}")
    for kind in KINDS:
        report(kind, pictures, Dequantizer(network))


def load(folder: pathlib.Path | None) -> list[Image.Image]:
    if folder is not None:
        return [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    from skimage import data

    made = (data.astronaut(), data.chelsea(), data.coffee(), data.rocket())
    return [Image.fromarray(picture) for picture in made]


def shrink(picture: Image.Image, long_side: int) -> np.ndarray:
    scale = long_side / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def report(kind, pictures, dequantizer) -> None:
    frames = [gif_frame(picture, kind) for picture in pictures]
    blurs = [
        [np.asarray(Image.fromarray(f.rgb).filter(ImageFilter.GaussianBlur(r))) for f in frames]
        for r in RADII
    ]
    best = max(blurs, key=lambda made: score(made, pictures)[0])
    rows = [
        score([frame.rgb for frame in frames], pictures),
        score(best, pictures),
        score([dequantizer(frame) for frame in frames], pictures),
    ]
    columns = "".join(f"{f'{p:.2f} / {s:.3f}':>15}" for p, s in rows)
    print(f"{' '.join(map(str, kind)):38}{columns}{rows[2][0] - rows[0][0]:9.2f}")


def gif_frame(picture: np.ndarray, kind):
    """The picture as the only frame of a GIF file, read back."""
    file = io.BytesIO()
    write_gif(file, [quantize(picture, *kind)], [100])
    return read_gif(file.getvalue()).frames[0]


def score(made, truth) -> tuple[float, float]:
    pairs = list(zip(made, truth, strict=True))
    return float(np.mean([psnr(*p) for p in pairs])), float(np.mean([ssim(*p) for p in pairs]))


if __name__ == "__main__":
    main()
