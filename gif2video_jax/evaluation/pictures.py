"""Pictures that show frames in rows and columns, under titles."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from gif2video_jax.errors import InputError
from gif2video_jax.media.target import FileTarget

Picture = UInt8[np.ndarray, "h w 3"]
Page = UInt8[np.ndarray, "page_h page_w 3"]

GAP = 4  # pixels between pictures
_TITLE_HEIGHT = 18
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def sheet(rows: Sequence[Sequence[Picture]], titles: Sequence[str] = ()) -> Page:
    """Lays pictures out on white.

    Args:
      rows: of pictures; all pictures have one size, and all rows one length.
      titles: of the columns; none leaves out the line that they stand in.

    Raises:
      ValueError: sizes or lengths differ, or there is no picture.
    """
    sizes = {picture.shape for row in rows for picture in row}
    lengths = {len(row) for row in rows} | ({len(titles)} if titles else set())
    if len(sizes) != 1 or len(lengths) != 1:
        raise ValueError(
            f"expected pictures of one size in rows as long as the titles, got sizes "
            f"{sorted(sizes)} and lengths {sorted(lengths)}"
        )
    (height, width, _), columns = sizes.pop(), lengths.pop()
    top = _TITLE_HEIGHT if titles else 0
    page = Image.new(
        "RGB",
        (columns * (width + GAP) - GAP, top + len(rows) * (height + GAP) - GAP),
        _WHITE,
    )
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TITLE_HEIGHT * 2 // 3)
    for column, title in enumerate(titles):
        draw.text((column * (width + GAP) + 2, 1), title, _BLACK, font)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page.paste(Image.fromarray(picture), (x * (width + GAP), top + y * (height + GAP)))
    return np.asarray(page)


def beside(pictures: Sequence[Picture]) -> Page:
    """Puts pictures of one size beside each other."""
    return sheet([pictures])


def write_png(path: str | os.PathLike, picture: Picture) -> None:
    """Writes a PNG file, which appears only when it is whole and replaces one that is there.

    Raises:
      InputError: it can't be written.
    """
    target = FileTarget(pathlib.Path(path), overwrite=True)
    try:
        Image.fromarray(picture).save(target.path, format="PNG", optimize=True)
        target.commit()
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be written: {error.strerror}") from None
    finally:
        target.discard()


def evenly_spaced(count: int, at_most: int) -> list[int]:
    """Indices below `count`, first and last included, spread evenly; all if there are few."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, at_most))})
