"""A GIF's structure without its pixels, and the rules of sizes and boxes that reading shares."""

import dataclasses

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.blocks import BlockReader, Box, ImageBlock, Source, open_source

MAX_PIXELS = 100_000_000


@dataclasses.dataclass(frozen=True)
class FrameInfo:
    """What `scan_gif` tells of one frame; fields as in `reader.Frame`.

    Attributes:
      num_colors: size of the palette that the image uses; 0 if the file has none for it.
    """

    delay_ms: int
    disposal: int
    interlaced: bool
    box: Box
    local_palette: bool
    num_colors: int
    transparent_index: int | None


@dataclasses.dataclass(frozen=True)
class GifInfo:
    """The structure of a GIF; fields as in `reader.Gif`."""

    name: str
    width: int
    height: int
    frames: tuple[FrameInfo, ...]
    loop_count: int | None
    background: tuple[int, int, int] | None
    comments: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def delays_ms(self) -> list[int]:
        """Each frame's delay as the file says."""
        return [frame.delay_ms for frame in self.frames]


def scan_gif(source: Source, *, max_pixels: int = MAX_PIXELS) -> GifInfo:
    """Reads a GIF's structure without decoding pixels: as many frames as `open_gif` yields.

    A seekable open file is put back to where it was. Damage within an image's data only shows
    when it is decoded, so `problems` may be shorter than the reader's.

    Args:
      source: as in `open_gif`; standard input cannot be read again afterwards.
      max_pixels: as in `open_gif`.

    Raises:
      InputError: as in `open_gif`.
    """
    with open_source(source) as (file, name):
        start = file.tell() if hasattr(file, "seekable") and file.seekable() else None
        try:
            return _scan(file, name, max_pixels)
        finally:
            if start is not None:
                file.seek(start)


def _scan(file, name: str, max_pixels: int) -> GifInfo:
    blocks = BlockReader(file, name)
    size = None
    frames = []
    for image in blocks.images():
        size = size or screen_size(blocks, image, max_pixels)
        box = effective_box(image, size)
        check_pixels(name, "an image", box[2], box[3], max_pixels)
        palette = image.palette or blocks.global_palette
        frames.append(
            FrameInfo(
                delay_ms=image.delay_ms,
                disposal=image.disposal,
                interlaced=image.interlaced,
                box=clip(box, size),
                local_palette=image.palette is not None,
                num_colors=palette.num_colors if palette else 0,
                transparent_index=image.transparent_index,
            )
        )
    if size is None:
        raise no_frame(blocks)
    return GifInfo(
        name=name,
        width=size[0],
        height=size[1],
        frames=tuple(frames),
        loop_count=blocks.loop_count,
        background=blocks.background,
        comments=tuple(blocks.comments),
        problems=tuple(blocks.problems),
    )


def screen_size(blocks: BlockReader, first: ImageBlock, max_pixels: int) -> tuple[int, int]:
    """The screen's size; browsers enlarge it to hold the first image."""
    left, top, width, height = first.box
    screen_width = max(blocks.screen_size[0], left + width)
    screen_height = max(blocks.screen_size[1], top + height)
    if screen_width * screen_height == 0:
        raise InputError(f"{blocks.name}: the GIF has no pixels: {screen_width}x{screen_height}")
    check_pixels(blocks.name, "the GIF", screen_width, screen_height, max_pixels)
    return screen_width, screen_height


def effective_box(image: ImageBlock, screen: tuple[int, int]) -> Box:
    """The image's box; browsers give an image without a size that of the screen."""
    left, top, width, height = image.box
    if width == 0 or height == 0:
        return (left, top, *screen)
    return image.box


def clip(box: Box, screen: tuple[int, int]) -> Box:
    """The part of a box that lies on the screen."""
    left, top = min(box[0], screen[0]), min(box[1], screen[1])
    return left, top, min(box[2], screen[0] - left), min(box[3], screen[1] - top)


def check_pixels(name: str, what: str, width: int, height: int, max_pixels: int) -> None:
    """Raises `InputError` for a size beyond the limit, before any memory is taken for it."""
    if width * height > max_pixels:
        raise InputError(
            f"{name}: {what} claims {width}x{height} = {width * height} pixels, at most "
            f"{max_pixels} are read; raise the limit with --max-pixels"
        )


def no_frame(blocks: BlockReader) -> InputError:
    """What to raise for a GIF of which nothing can be shown."""
    reason = blocks.problems[-1] if blocks.problems else "it holds no image"
    return InputError(f"{blocks.name}: no frame of this GIF can be decoded: {reason}")
