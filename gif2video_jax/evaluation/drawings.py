"""Pictures whose colours were never reduced: pixel art, line art, screens, charts, smooth shades.

Each function draws one picture of at most 256 colours from a random generator, so that a GIF holds
it without loss. Restoring must leave them as they are; `benchmarks/decide.py` and
`benchmarks/do_no_harm.py` count how often it does.
"""

import itertools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

Picture = UInt8[np.ndarray, "h w 3"]
Drawing = Callable[[np.random.Generator], Picture]

_WHITE, _BLACK = (255, 255, 255), (20, 20, 20)
_LETTERS = np.array(list("etaoin shrdlu cmfwyp vbgkjqxz (){};=+"))


def pixel_art(rng: np.random.Generator) -> Picture:
    """Tiles of symmetric creatures on a ground of shaded bricks, at their own size."""
    ground = rng.integers(40, 200, 3)
    shades = np.clip(ground + np.array([-25, -10, 0, 12])[:, None], 0, 255)
    page = shades[rng.choice(4, (96, 128), p=[0.1, 0.15, 0.6, 0.15])].astype(np.uint8)
    page[::8], page[:, ::16] = shades[0], shades[0]
    for y, x in itertools.product(range(8, 80, 24), range(8, 112, 24)):
        if rng.random() < 0.6:
            ramp = rng.integers(0, 256, (4, 3))
            half = rng.choice(5, (16, 8), p=[0.4, 0.15, 0.15, 0.15, 0.15])
            sprite = np.concatenate([half, half[:, ::-1]], axis=1)
            spot = page[y : y + 16, x : x + 16]
            spot[sprite > 0] = ramp[sprite[sprite > 0] - 1]
    return page


def enlarged_pixel_art(rng: np.random.Generator) -> Picture:
    """The same, every pixel a block of 2x2 to 5x5."""
    scale = int(rng.integers(2, 6))
    return pixel_art(rng).repeat(scale, axis=0).repeat(scale, axis=1)


def hand_dithered_pixel_art(rng: np.random.Generator) -> Picture:
    """A landscape of few flat colours, with the checkerboards that artists put between them."""
    height, width, levels = 112, 160, int(rng.integers(4, 8))
    start, end = rng.integers(0, 256, (2, 3))
    ramp = np.linspace(start, end, levels)
    y, x = np.mgrid[:height, :width]
    depth = y / height * (levels - 1)
    checker = (x + y) % 2 * 0.34 - 0.17
    sky = np.clip(np.round(depth + checker * (np.abs(depth % 1 - 0.5) < 0.2)), 0, levels - 1)
    page = ramp[sky.astype(int)].astype(np.uint8)
    for _ in range(int(rng.integers(2, 5))):
        color = rng.integers(0, 256, 3)
        hill = height - 8 - 30 * rng.random() - 12 * np.sin(x[0] / (8 + 20 * rng.random()))
        page[y > hill[None]] = color
    return page


def line_art(rng: np.random.Generator, smooth: bool = True) -> Picture:
    """Curves in a few inks, some shapes filled; edges in between shades unless told otherwise."""
    factor = 4 if smooth else 1
    page = Image.new("RGB", (280 * factor, 200 * factor), _color(rng, 230, 256))
    draw = ImageDraw.Draw(page)
    for _ in range(int(rng.integers(6, 16))):
        start, phase = rng.random(2) * [280, 200] * factor, rng.random(4) * 6
        t = np.linspace(0, 3, 200)
        x = start[0] + factor * 60 * (np.sin(t + phase[0]) + 0.4 * np.sin(3 * t + phase[1]))
        y = start[1] + factor * 50 * (np.sin(t + phase[2]) + 0.4 * np.sin(2 * t + phase[3]))
        curve = list(zip(x.tolist(), y.tolist(), strict=True))
        if rng.random() < 0.4:
            draw.polygon(curve, _color(rng))
        draw.line(curve, _BLACK, int(rng.integers(1, 4)) * factor)
    return few_shades(page.resize((280, 200), Image.Resampling.BOX) if smooth else page)


def hard_line_art(rng: np.random.Generator) -> Picture:
    """Line art without shades at its edges."""
    return line_art(rng, smooth=False)


def hatching(rng: np.random.Generator) -> Picture:
    """A pen drawing: black strokes on paper, denser where it is dark."""
    page = Image.new("L", (4 * 240, 4 * 180), 255)
    draw = ImageDraw.Draw(page)
    for _ in range(int(rng.integers(300, 900))):
        x, y = rng.random(2) * [4 * 240, 4 * 180]
        if rng.random() < 0.5 + 0.5 * np.sin(x / 150) * np.cos(y / 120):
            angle, length = 0.8 + 0.2 * rng.normal(), 20 + 60 * rng.random()
            end = (x + length * np.cos(angle), y + length * np.sin(angle))
            draw.line(((x, y), end), 0, int(rng.integers(2, 6)))
    grey = np.asarray(page.resize((240, 180), Image.Resampling.BOX))
    return grey[..., None].repeat(3, axis=2)


def cartoon(rng: np.random.Generator) -> Picture:
    """Flat round shapes with outlines and smooth edges, as in animated films."""
    page = Image.new("RGB", (4 * 240, 4 * 180), _color(rng, 120, 256))
    draw = ImageDraw.Draw(page)
    for _ in range(int(rng.integers(5, 14))):
        x, y = rng.random(2) * [960, 720]
        w, h = 60 + rng.random(2) * 260
        shape = draw.ellipse if rng.random() < 0.7 else draw.rectangle
        shape((x - w, y - h, x + w, y + h), _color(rng), _BLACK, 8)
    return few_shades(page.resize((240, 180), Image.Resampling.BOX))


def screen(rng: np.random.Generator) -> Picture:
    """A window: title bar, menu, lines of text with smooth letters, buttons."""
    dark = rng.random() < 0.4
    ground, ink = ((30, 32, 36), (220, 220, 220)) if dark else (_WHITE, _BLACK)
    accent = _color(rng, 20, 220)
    page = Image.new("RGB", (320, 220), ground)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 320, 18), accent)
    draw.text((6, 2), "Untitled - Editor", _WHITE, ImageFont.load_default(12))
    draw.rectangle((0, 18, 320, 34), (200, 200, 200))
    for line in range(int(rng.integers(4, 11))):
        color = ink if rng.random() < 0.7 else accent
        draw.text((8, 40 + 15 * line), _words(rng, 40), color, ImageFont.load_default(12))
    draw.rounded_rectangle((240, 190, 310, 212), 6, accent)
    draw.text((258, 194), "Save", _WHITE, ImageFont.load_default(12))
    return few_shades(page)


def terminal(rng: np.random.Generator) -> Picture:
    """Lines of a small coloured font on a dark ground, many or few."""
    page = Image.new("RGB", (320, 200), _color(rng, 0, 50))
    draw = ImageDraw.Draw(page)
    inks = [(205, 205, 205), (80, 220, 90), (240, 200, 60), (90, 150, 250), (230, 80, 80)]
    size = int(rng.integers(10, 15))
    for y in range(4, int(rng.integers(30, 200)), size + 2):
        color = inks[int(rng.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1]))]
        draw.text((4, y), _words(rng, 60), color, ImageFont.load_default(size))
    return few_shades(page)


def text_with_colored_edges(rng: np.random.Generator) -> Picture:
    """Letters drawn for the stripes of an LCD: their edges have all hues."""
    page = Image.new("L", (3 * 300, 160), 255)
    draw = ImageDraw.Draw(page)
    for y in range(4, 150, 20):
        layer = Image.new("L", (300, 20), 255)
        ImageDraw.Draw(layer).text((4, 2), _words(rng, 45), 0, ImageFont.load_default(13))
        page.paste(layer.resize((900, 20), Image.Resampling.BICUBIC), (0, y))
    draw.line((0, 0, 900, 0), 128)
    stripes = np.asarray(page).astype(np.float32).reshape(160, 300, 3)
    blurred = (
        np.roll(stripes.reshape(160, -1), 1, 1)
        + 2 * stripes.reshape(160, -1)
        + np.roll(stripes.reshape(160, -1), -1, 1)
    ) / 4
    return few_shades(Image.fromarray(blurred.reshape(160, 300, 3).astype(np.uint8)))


def web_page(rng: np.random.Generator) -> Picture:
    """Buttons with shaded backgrounds, boxes with shadows, some text."""
    page = Image.new("RGB", (320, 240), _color(rng, 235, 256))
    draw = ImageDraw.Draw(page)
    for number in range(int(rng.integers(2, 5))):
        x, y = 12 + 150 * (number % 2), 14 + 110 * (number // 2)
        for shadow in range(5, 0, -1):
            grey = 215 + 4 * (5 - shadow) // 2
            draw.rectangle(
                (x + shadow, y + shadow, x + 130 + shadow, y + 90 + shadow), (grey, grey, grey)
            )
        draw.rectangle((x, y, x + 130, y + 90), _WHITE, (190, 190, 190))
        top, bottom = rng.integers(60, 220, (2, 3))
        for row in range(24):
            color = tuple(int(value) for value in top + (bottom - top) * row / 23)
            draw.line((x + 1, y + 1 + row, x + 129, y + 1 + row), color)
        for line in range(3):
            draw.text(
                (x + 6, y + 30 + 18 * line), _words(rng, 16), _BLACK, ImageFont.load_default(12)
            )
    return few_shades(page)


def chart(rng: np.random.Generator) -> Picture:
    """Bars or smooth lines over a grid, with axes and a legend."""
    page = Image.new("RGB", (1200, 800), _WHITE)
    draw = ImageDraw.Draw(page)
    for y in range(80, 700, 120):
        draw.line((120, y, 1160, y), (210, 210, 210), 4)
    series = int(rng.integers(2, 5))
    for number in range(series):
        color = _color(rng, 0, 230)
        values = 680 - 600 * rng.random(8)
        if rng.random() < 0.5:
            xs = np.linspace(140, 1140, 8)
            draw.line(
                list(zip(xs.tolist(), values.tolist(), strict=True)), color, 10, joint="curve"
            )
        else:
            for index, value in enumerate(values.tolist()):
                left = 140 + 128 * index + 100 * number // series
                draw.rectangle((left, value, left + 90 // series, 700), color)
        draw.rectangle((900, 30 + 40 * number, 930, 55 + 40 * number), color)
        draw.text(
            (945, 22 + 40 * number), f"series {number}", (40, 40, 40), ImageFont.load_default(34)
        )
    draw.line((120, 60, 120, 700, 1160, 700), (60, 60, 60), 6, joint="curve")
    return few_shades(page.resize((300, 200), Image.Resampling.BOX))


def scatter_plot(rng: np.random.Generator) -> Picture:
    """Translucent dots over each other, in two colours."""
    page = Image.new("RGBA", (900, 600), _WHITE)
    colors = [_color(rng, 0, 230) for _ in range(2)]
    for _ in range(int(rng.integers(60, 200))):
        group = int(rng.integers(2))
        x, y = rng.normal([300 + 300 * group, 300], [110, 90])
        layer = Image.new("RGBA", page.size)
        ImageDraw.Draw(layer).ellipse((x - 14, y - 14, x + 14, y + 14), (*colors[group], 120))
        page.alpha_composite(layer)
    return few_shades(page.convert("RGB").resize((300, 200), Image.Resampling.BOX))


def heat_map(rng: np.random.Generator) -> Picture:
    """A smooth function, or a noisy one, in the 256 colours of a scale."""
    field = _smooth_field(rng, 160, 220)
    if rng.random() < 0.5:
        field = field + 0.08 * rng.normal(size=field.shape)
    stops = rng.integers(0, 256, (int(rng.integers(2, 5)), 3))
    places = np.linspace(0, 255, len(stops))
    scale = np.stack([np.interp(np.arange(256), places, c) for c in stops.T], axis=1)
    return scale.round().astype(np.uint8)[np.clip(field * 255, 0, 255).astype(np.uint8)]


def map_of_regions(rng: np.random.Generator) -> Picture:
    """Flat regions with borders, as on a political map, some with names."""
    seeds = rng.random((int(rng.integers(8, 30)), 2)) * [180, 240]
    y, x = np.mgrid[:180, :240]
    wave = 6 * np.sin(x / 9 + 3 * rng.random()) + 5 * np.cos(y / 7)
    distance = [np.hypot(y + wave - a, x + wave - b) for a, b in seeds]
    nearest = np.argmin(distance, axis=0)
    page = rng.integers(120, 256, (len(seeds), 3))[nearest].astype(np.uint8)
    border = (nearest != np.roll(nearest, 1, 0)) | (nearest != np.roll(nearest, 1, 1))
    page[border] = 60
    picture = Image.fromarray(page)
    for a, b in seeds[::3]:
        ImageDraw.Draw(picture).text((b, a), _words(rng, 8), _BLACK, ImageFont.load_default(10))
    return few_shades(picture)


def grey_ramp(rng: np.random.Generator) -> Picture:
    """All levels of grey in one direction, or from the middle outwards."""
    y, x = np.mgrid[:160, :256]
    way = int(rng.integers(3))
    ramp = (x, 255 * y // 159, 1.6 * np.hypot(x - 128, y - 80))[way]
    grey = np.clip(np.asarray(ramp), 0, 255).astype(np.uint8)
    return grey[..., None].repeat(3, axis=2)


def color_ramp(rng: np.random.Generator) -> Picture:
    """From one colour to another, as smoothly as bytes can, and something flat in front."""
    start, end = rng.integers(0, 256, (2, 3))
    steps = int(rng.integers(128, 250))
    ramp = np.linspace(start, end, steps).round().astype(np.uint8)
    page = ramp[np.arange(180) * steps // 180][:, None].repeat(240, axis=1).copy()
    page[140:, 40:90] = page[120:, 150:200][:40] = rng.integers(0, 256, 3)
    return page


def grey_picture(rng: np.random.Generator) -> Picture:
    """Noise at several sizes, in grey: what a photograph's levels look like."""
    field = sum(_smooth_field(rng, 160, 220, size) / (1 + i) for i, size in enumerate((30, 8, 2)))
    grey = np.clip(40 + 110 * np.asarray(field), 0, 255).astype(np.uint8)
    return grey[..., None].repeat(3, axis=2)


def few_shades(page: Image.Image) -> Picture:
    """Merges the shades of smooth edges that differ least, until a GIF can hold them all."""
    picture = page.convert("RGB")
    if picture.getcolors(256) is not None:
        return np.asarray(picture)
    return np.asarray(picture.quantize(200, dither=Image.Dither.NONE).convert("RGB"))


def _color(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    red, green, blue = rng.integers(low, high, 3).tolist()
    return red, green, blue


def _words(rng: np.random.Generator, most: int) -> str:
    return "".join(rng.choice(_LETTERS, int(rng.integers(min(5, most - 1), most))))


def _smooth_field(
    rng: np.random.Generator, height: int, width: int, size: int = 40
) -> Float[np.ndarray, "h w"]:
    """Smooth noise in [0, 1] with bumps of about `size` pixels."""
    coarse = rng.random((height // size + 3, width // size + 3)).astype(np.float32)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(picture), 0, 1)


DRAWINGS: dict[str, Drawing] = {
    "pixel art": pixel_art,
    "enlarged pixel art": enlarged_pixel_art,
    "hand-dithered pixel art": hand_dithered_pixel_art,
    "line art, smooth": line_art,
    "line art, hard": hard_line_art,
    "hatching": hatching,
    "cartoons": cartoon,
    "screens": screen,
    "terminals": terminal,
    "text for LCDs": text_with_colored_edges,
    "web pages": web_page,
    "charts": chart,
    "scatter plots": scatter_plot,
    "heat maps": heat_map,
    "maps": map_of_regions,
    "grey ramps": grey_ramp,
    "colour ramps": color_ramp,
    "grey pictures": grey_picture,
}
"""Kinds of drawings by name."""
