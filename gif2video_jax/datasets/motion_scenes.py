"""Draws random scenes for `motion`: what is behind, what passes in front, and how it moves.

All choices below (shapes, shares, ranges) are ours; the paper trained on real video alone.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from gif2video_jax.datasets.motion import Layer, Motion, Scene

# Samples of a texture a frame pixel: bilinear sampling is nearly exact at this density.
DENSITY = 3
_DrawPicture = Callable[[np.random.Generator], UInt8[np.ndarray, "h w 3"]]


@dataclasses.dataclass(frozen=True)
class SceneOptions:
    """Ranges that scenes are drawn from.

    Attributes:
      max_motion: most pixels that a point moves between times one apart; SuperSlomo reaches 30.
      max_layers: of those in front; at least one unless 0.
      duration: time that will be rendered, from 0; the bound on motion holds inside.
      still_background: share of scenes whose background rests, as before a fixed camera.
      drawn_share: share of layers in front that have a flat colour or a gradient for a texture.
      small_motion: share of scenes that move by at most a sixth of `max_motion`.
    """

    max_motion: float = 30.0
    max_layers: int = 4
    duration: float = 1.0
    still_background: float = 0.25
    drawn_share: float = 0.2
    small_motion: float = 0.35


def random_scene(
    rng: np.random.Generator,
    draw_picture: _DrawPicture,
    *,
    height: int,
    width: int,
    options: SceneOptions | None = None,
) -> Scene:
    """Draws a scene: a background from one picture and 1 to 4 cut-outs of others before it.

    Args:
      rng: source of randomness; equal generators give equal scenes.
      draw_picture: gives a picture for a layer, best larger than the frame; called once for the
        background and once for most cut-outs.
      height: of the frame, pixels.
      width: of the frame, pixels.
      options: ranges.
    """
    options = options or SceneOptions()
    bound = options.max_motion
    if rng.random() < options.small_motion:
        bound /= 6
    middle = (width / 2, height / 2)
    if rng.random() < options.still_background:
        camera = Motion(center=middle)
    else:
        camera = _random_motion(rng, middle, (width, height), bound * rng.random(), options)
    layers = [_background(rng, draw_picture(rng), camera, width, height, options.duration)]
    for _ in range(int(rng.integers(1, options.max_layers + 1)) if options.max_layers else 0):
        layers.append(_cut_out(rng, draw_picture, camera, (width, height), bound, options))
    return Scene(tuple(layers), width, height)


def largest_motion(motion: Motion, size: tuple[float, float], duration: float) -> float:
    """The most pixels that any point of a centred box of this size moves in a unit of time.

    Looked for at the box' corners and middle, over intervals that start every quarter.
    """
    half_width, half_height = size[0] / 2, size[1] / 2
    points = np.array(
        [
            [0, -half_width, half_width, -half_width, half_width],
            [0, -half_height, -half_height, half_height, half_height],
            [1, 1, 1, 1, 1],
        ]
    )
    starts = np.arange(0, max(duration - 1, 0) + 0.25, 0.25)
    span = min(1.0, duration)
    moves = [(motion.matrix(t + span) - motion.matrix(t)) @ points for t in starts]
    return max(float(np.hypot(move[0], move[1]).max()) for move in moves)


def _random_motion(
    rng: np.random.Generator,
    center: tuple[float, float],
    size: tuple[float, float],
    bound: float,
    options: SceneOptions,
    carried: Motion | None = None,
) -> Motion:
    """A motion whose largest displacement over the box is `bound`, or which is `carried` along."""
    direction = rng.uniform(0, 2 * math.pi)
    turn = direction + rng.normal(0, 0.6)
    brake = rng.normal(0, 0.5) if rng.random() < 0.6 else 0.0
    turning = rng.random() < 0.5
    zooming = rng.random() < 0.5
    motion = Motion(
        center=center,
        velocity=(bound * math.cos(direction), bound * math.sin(direction)),
        acceleration=(bound * brake * math.cos(turn), bound * brake * math.sin(turn)),
        angle=rng.normal(0, 0.3),
        spin=rng.normal(0, 0.15) if turning else 0.0,
        spin_acceleration=rng.normal(0, 0.08) if turning else 0.0,
        zoom=rng.normal(0, 0.06),
        zoom_rate=rng.normal(0, 0.06) if zooming else 0.0,
        zoom_acceleration=rng.normal(0, 0.03) if zooming else 0.0,
    )
    if carried is not None:
        motion = dataclasses.replace(
            motion,
            velocity=tuple(np.add(motion.velocity, carried.velocity)),
            acceleration=tuple(np.add(motion.acceleration, carried.acceleration)),
        )
    for _ in range(4):  # rotation isn't linear, so that the factor is found in steps
        largest = largest_motion(motion, size, options.duration)
        if largest <= bound:
            break
        motion = motion.scaled(0.999 * bound / largest)
    return motion


def _background(
    rng: np.random.Generator,
    picture: UInt8[np.ndarray, "h w 3"],
    motion: Motion,
    width: int,
    height: int,
    duration: float,
) -> Layer:
    """An opaque layer that covers the frame at all times up to `duration`."""
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    reach = np.zeros(2)
    for time in np.linspace(0, duration, 9):
        points = np.linalg.inv(motion.matrix(time)) @ corners
        reach = np.maximum(reach, np.abs(points[:2]).max(1))
    size = tuple(int(math.ceil(2 * side * 1.02)) + 8 for side in reach)
    return Layer(_texture(rng, picture, *size), motion, DENSITY)


def _cut_out(
    rng: np.random.Generator,
    draw_picture: _DrawPicture,
    camera: Motion,
    frame: tuple[int, int],
    bound: float,
    options: SceneOptions,
) -> Layer:
    """A layer in front, of a random shape, that is in the frame at half of `duration`."""
    short = min(frame)
    width = int(max(6, short * math.exp(rng.uniform(math.log(0.1), math.log(0.8)))))
    height = int(max(6, min(short, width * math.exp(rng.normal(0, 0.4)))))
    if rng.random() < options.drawn_share:
        texture = _plain_texture(rng, width, height)
    else:
        texture = _texture(rng, draw_picture(rng), width, height)
    matte = random_matte(rng, texture.shape[1], texture.shape[0])
    carried = camera if rng.random() < 0.5 else None
    center = (rng.uniform(0, frame[0]), rng.uniform(0, frame[1]))
    target = bound * math.sqrt(rng.random())
    motion = _random_motion(rng, center, (width, height), target, options, carried)
    # The place was drawn for the middle of the time, so that few layers leave before they are seen.
    moved = motion.matrix(options.duration / 2)[:2, 2] - center
    motion = dataclasses.replace(motion, center=(center[0] - moved[0], center[1] - moved[1]))
    return Layer(np.concatenate([texture, matte[..., None]], -1), motion, DENSITY)


def _texture(
    rng: np.random.Generator, picture: UInt8[np.ndarray, "h w 3"], width: int, height: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A random window of a picture for a layer of width x height frame pixels.

    Scaled down to the frame's pixels first, so that nothing finer is left, then up to `DENSITY`.
    A picture too small for the layer is continued by its mirror image.
    """
    if picture.shape[0] < height or picture.shape[1] < width:
        more = [max(0, height - picture.shape[0]), max(0, width - picture.shape[1])]
        picture = np.pad(picture, ((0, more[0]), (0, more[1]), (0, 0)), mode="symmetric")
    largest = min(picture.shape[1] / width, picture.shape[0] / height)
    scale = math.exp(rng.uniform(0, math.log(largest)))
    window_width, window_height = width * scale, height * scale
    left = rng.uniform(0, picture.shape[1] - window_width)
    top = rng.uniform(0, picture.shape[0] - window_height)
    image = Image.fromarray(picture).resize(
        (width, height),
        Image.Resampling.LANCZOS,
        box=(left, top, left + window_width, top + window_height),
        reducing_gap=3.0,
    )
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    size = (width * DENSITY, height * DENSITY)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def _plain_texture(
    rng: np.random.Generator, width: int, height: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """One colour, or a gradient between two, as in drawings and titles."""
    width, height = width * DENSITY, height * DENSITY
    first, last = rng.integers(0, 256, (2, 3))
    if rng.random() < 0.6:
        last = first
    direction = rng.uniform(0, 2 * math.pi)
    rows, columns = np.indices((height, width), np.float32)
    share = columns / width * math.cos(direction) + rows / height * math.sin(direction)
    share = (share - share.min()) / max(1e-6, np.ptp(share))
    return np.round(first + share[..., None] * (last - first)).astype(np.uint8)


def random_matte(rng: np.random.Generator, width: int, height: int) -> UInt8[np.ndarray, "h w"]:
    """A random shape with an anti-aliased, at times soft, edge; clear along the border.

    Smooth blobs, polygons, ellipses, bundles of strokes, and lines of text.
    """
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    shape = rng.choice(5, p=[0.35, 0.2, 0.15, 0.15, 0.15])
    if shape == 0:
        draw.polygon(_blob(rng, width, height), fill=255)
    elif shape == 1:
        draw.polygon(_star_polygon(rng, width, height), fill=255)
    elif shape == 2:
        draw.ellipse((0.06 * width, 0.06 * height, 0.94 * width, 0.94 * height), fill=255)
    elif shape == 3:
        _draw_strokes(rng, draw, width, height)
    else:
        _draw_text(rng, draw, width, height)
    # About a frame pixel's own width at least (DENSITY samples), or the edge would alias.
    softness = DENSITY * (0.4 if rng.random() < 0.7 else rng.uniform(0.4, 2.0))
    matte = np.array(image.filter(ImageFilter.GaussianBlur(softness)))
    matte[[0, -1]] = 0
    matte[:, [0, -1]] = 0
    return matte


def _blob(rng: np.random.Generator, width: int, height: int) -> list[tuple[float, float]]:
    """A closed smooth curve: a circle whose radius has a few random harmonics."""
    angles = np.linspace(0, 2 * math.pi, 96, endpoint=False)
    radius = np.ones_like(angles)
    for harmonic in range(2, 7):
        size = rng.normal(0, 0.35 / harmonic)
        radius += size * np.cos(harmonic * angles + rng.uniform(0, 2 * math.pi))
    radius = np.clip(radius, 0.15, None)
    radius *= 0.46 / radius.max()
    x, y = width * (0.5 + radius * np.cos(angles)), height * (0.5 + radius * np.sin(angles))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _star_polygon(rng: np.random.Generator, width: int, height: int) -> list[tuple[float, float]]:
    """A polygon around the middle, with 3 to 9 corners at random distances."""
    angles = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(3, 10)))
    radius = rng.uniform(0.2, 0.46, len(angles))
    x, y = width * (0.5 + radius * np.cos(angles)), height * (0.5 + radius * np.sin(angles))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _draw_strokes(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int
) -> None:
    """Thin curved lines: branches, ropes, fences."""
    thickness = max(2, int(min(width, height) * rng.uniform(0.03, 0.15)))
    for _ in range(rng.integers(1, 6)):
        points = rng.uniform(0.08, 0.92, (3, 2)) * (width, height)
        share = np.linspace(0, 1, 24)[:, None]
        curve = (
            (1 - share) ** 2 * points[0]
            + 2 * share * (1 - share) * points[1]
            + share**2 * points[2]
        )
        draw.line([tuple(point) for point in curve.tolist()], 255, thickness, joint="curve")


def _draw_text(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int
) -> None:
    """One or two words, as in subtitles."""
    letters = "".join(chr(code) for code in rng.integers(65, 123, rng.integers(3, 12)))
    size = max(8, int(height * rng.uniform(0.25, 0.7)))
    left, _, right, _ = draw.textbbox((0, 0), letters, font=ImageFont.load_default(size))
    size = max(6, int(min(size, 0.85 * size * width / max(1, right - left))))
    font = ImageFont.load_default(size)
    draw.text(
        (width / 2, height / 2),
        letters,
        fill=255,
        font=font,
        anchor="mm" if isinstance(font, ImageFont.FreeTypeFont) else None,
        stroke_width=int(rng.integers(0, max(1, size // 12) + 1)),
    )
