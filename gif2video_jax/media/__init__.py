"""Reads and writes videos, animated images and folders of PNG files, frame by frame."""

from gif2video_jax.media.formats import FORMATS, Format, format_of
from gif2video_jax.media.reading import VideoReader, open_video
from gif2video_jax.media.writing import VideoWriter, open_writer

__all__ = [
    "FORMATS",
    "Format",
    "VideoReader",
    "VideoWriter",
    "format_of",
    "open_video",
    "open_writer",
]
