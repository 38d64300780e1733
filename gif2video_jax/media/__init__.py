"""Reads and writes videos, animated images and folders of PNG files, frame by frame."""

from gif2video_jax.media.reading import VideoReader, open_video
from gif2video_jax.media.writing import FORMATS, Format, VideoWriter, format_of, open_writer

__all__ = [
    "FORMATS",
    "Format",
    "VideoReader",
    "VideoWriter",
    "format_of",
    "open_video",
    "open_writer",
]
