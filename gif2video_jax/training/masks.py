"""Random holes for video inpainting: boxes, free-form strokes, text and logos.

    random_masks(numpy.random.default_rng(0), 32, 128, 128, "strokes")   # bool (32, 128, 128)

True is a hole. The boxes are those of the paper (Wang, Huang, Han, Wang, "Video Inpainting by
Jointly Learning Temporal Structure and Spatial Details", AAAI 2019): rectangles of 0.375 to 0.5 of
the side. Strokes follow the idea of Yu et al., "Free-Form Image Inpainting with Gated
Convolution", ICCV 2019 (a brush walks and turns); text and logos are our own, for captions and
station marks. NumPy and Pillow only, so that data workers and `gif2video` itself can use it.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont

# Of the side, as in the paper.
BOX_SHARES = (0.375, 0.5)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!?"


def random_masks(
    rng: np.random.Generator,
    num_frames: int,
    height: int,
    width: int,
    kind: str = "box_fixed",
) -> Bool[np.ndarray, "t h w"]:
    """Draws the holes of a clip's frames.

    Args:
      rng: source of randomness; equal generators give equal masks.
      num_frames: t, at least 1.
      height: of the frames in pixels, at least 1.
      width: of the frames in pixels, at least 1.
      kind: one of `MASK_KINDS`. "box_fixed": one rectangle, the same in all frames (the paper's
        training); "box_moving": one rectangle, at an independent place in each frame (the paper's
        second test); "strokes": brush strokes that stand still or drift; "text": a caption, the
        same throughout or now and then another; "logo": a mark in a corner, the same in all
        frames; "mixed": one of these, each as likely.

    Returns:
      True where there is a hole. Each frame has at least one hole pixel; frames of three pixels
      or more a side have at least one known pixel where the kind is a box.

    Raises:
      ValueError: for an unknown kind, or sizes below 1.
    """
    if kind not in MASK_KINDS:
        raise ValueError(f"kind: expected one of {', '.join(MASK_KINDS)}, got {kind!r}")
    if min(num_frames, height, width) < 1:
        raise ValueError(
            f"expected at least one frame of at least 1x1, got {num_frames} of {height}x{width}"
        )
    if kind == "mixed":
        kind = str(rng.choice(list(_DRAWERS)))
    masks = _DRAWERS[kind](rng, num_frames, height, width)
    # Something that is too thin, or has drifted out, leaves a pixel.
    masks[~masks.any(axis=(1, 2)), height // 2, width // 2] = True
    return masks


def _box_fixed(rng, num_frames, height, width):
    box_height, box_width = _box_size(rng, height, width)
    top, left = rng.integers(height - box_height + 1), rng.integers(width - box_width + 1)
    masks = np.zeros((num_frames, height, width), bool)
    masks[:, top : top + box_height, left : left + box_width] = True
    return masks


def _box_moving(rng, num_frames, height, width):
    box_height, box_width = _box_size(rng, height, width)
    masks = np.zeros((num_frames, height, width), bool)
    for mask in masks:
        top, left = rng.integers(height - box_height + 1), rng.integers(width - box_width + 1)
        mask[top : top + box_height, left : left + box_width] = True
    return masks


def _box_size(rng, height: int, width: int) -> tuple[int, int]:
    """Whole pixels within the shares; half of the boxes take the same share of both sides."""
    shares = rng.uniform(*BOX_SHARES, 2)
    if rng.random() < 0.5:
        shares[1] = shares[0]

    def side(whole: int, share: float) -> int:
        most = max(1, math.floor(whole * BOX_SHARES[1]))
        least = min(most, math.ceil(whole * BOX_SHARES[0]))
        return min(max(round(whole * share), least), most)

    return side(height, shares[0]), side(width, shares[1])


def _strokes(rng, num_frames, height, width):
    """One to five brushes; half of the clips have strokes that drift, as scratches of a film."""
    size = min(height, width)
    strokes = [_stroke(rng, height, width) for _ in range(rng.integers(1, 6))]
    drifts = rng.normal(0, size / 200, (len(strokes), 2)) * (rng.random() < 0.5)
    masks = np.zeros((num_frames, height, width), bool)
    for number in range(num_frames if drifts.any() else 1):
        image = Image.new("1", (width, height))
        draw = ImageDraw.Draw(image)
        for (points, radius), drift in zip(strokes, drifts, strict=True):
            moved = points + number * drift
            draw.line([tuple(point) for point in moved], fill=1, width=max(1, round(2 * radius)))
            for x, y in moved:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        # Pillow gives True as the byte 255, which not everything takes for a bool.
        masks[number] = np.asarray(image.convert("L")) > 0
    if not drifts.any():
        masks[1:] = masks[0]
    return masks


def _stroke(rng, height: int, width: int):
    """Corners (n, 2) of a brush's way as (x, y), and the brush's radius; all in pixels."""
    size = min(height, width)
    lengths = rng.uniform(0.05, 0.25, rng.integers(3, 10)) * size
    # It turns to and fro, so that it stays around.
    turns = rng.uniform(0.3, 1.4, len(lengths)) * np.resize([1, -1], len(lengths))
    angles = rng.uniform(0, 2 * np.pi) + turns
    steps = lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    start = rng.uniform(0, 1, 2) * (width, height)
    points = np.concatenate([start[None], start + np.cumsum(steps, axis=0)])
    return points, rng.uniform(0.01, 0.05) * size


def _text(rng, num_frames, height, width):
    """A caption of one or two lines; half of the clips change it every 4 to 16 frames."""
    font = ImageFont.load_default(max(4.0, rng.uniform(0.08, 0.16) * min(height, width)))
    outline = int(rng.integers(0, 2)) * max(1, min(height, width) // 96)
    middle = float(rng.choice([0.15, 0.85, rng.uniform(0.1, 0.9)])) * height
    length = int(rng.integers(4, 16)) if rng.random() < 0.5 else num_frames
    masks = np.zeros((num_frames, height, width), bool)
    for start in range(0, num_frames, length):
        lines = [_words(rng, font, 0.9 * width) for _ in range(rng.integers(1, 3))]
        image = Image.new("L", (width, height))
        ImageDraw.Draw(image).multiline_text(
            (width / 2, middle),
            "\n".join(lines),
            fill=255,
            font=font,
            anchor="mm",
            align="center",
            stroke_width=outline,
        )
        # The soft edge of a letter is not what was under it either.
        masks[start : start + length] = np.asarray(image) > 0
    return masks


def _words(rng, font, width: float) -> str:
    """Words of random letters, at least one, as many as fit in `width` pixels."""
    line = ""
    while True:
        letters = "".join(rng.choice(list(_LETTERS), rng.integers(2, 9)))
        longer = f"{line} {letters}".strip()
        if line and font.getlength(longer) > width:
            return line
        line = longer
        if font.getlength(line) > width:
            return line


def _logo(rng, num_frames, height, width):
    """A disc, ring, box or star of 0.1 to 0.25 of the side, in a corner, maybe with letters."""
    size = min(height, width)
    side = rng.uniform(0.1, 0.25) * size
    margin = rng.uniform(0.02, 0.08) * size
    x = margin if rng.random() < 0.5 else width - margin - side
    y = margin if rng.random() < 0.5 else height - margin - side
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    corners = (x, y, x + side, y + side)
    shape = rng.integers(4)
    if shape == 0:
        draw.ellipse(corners, fill=255)
    elif shape == 1:
        draw.ellipse(corners, outline=255, width=max(1, round(side / 6)))
    elif shape == 2:
        draw.rounded_rectangle(corners, radius=side / 5, fill=255)
    else:
        draw.polygon(_star(x + side / 2, y + side / 2, side / 2, int(rng.integers(4, 8))), fill=255)
    if rng.random() < 0.5:
        letters = "".join(rng.choice(list(_LETTERS), rng.integers(2, 5)))
        font = ImageFont.load_default(max(4.0, side / 2))
        anchor, place = ("lm", x + side) if x < width / 2 else ("rm", x)
        draw.text((place, y + side / 2), letters, fill=255, font=font, anchor=anchor)
    return np.repeat((np.asarray(image) > 0)[None], num_frames, axis=0)


def _star(x: float, y: float, radius: float, num_points: int) -> list[tuple[float, float]]:
    angles = np.pi * np.arange(2 * num_points) / num_points
    radii = radius * np.resize([1.0, 0.45], 2 * num_points)
    return [
        (x + r * math.sin(angle), y - r * math.cos(angle))
        for r, angle in zip(radii.tolist(), angles.tolist(), strict=True)
    ]


_DRAWERS: dict[str, Callable[..., np.ndarray]] = {
    "box_fixed": _box_fixed,
    "box_moving": _box_moving,
    "strokes": _strokes,
    "text": _text,
    "logo": _logo,
}
MASK_KINDS = (*_DRAWERS, "mixed")
