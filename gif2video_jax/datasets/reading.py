"""Finds single frames, windows and whole videos in a data set of chunks.

    builder = tfds.builder("gif_faces/g32_dither")
    clips = ClipReader(builder, "train")
    clips.window(video=3, start=20, num_frames=9)["truth"]     # uint8 (9, h, w, 3)

Only the chunks that hold wanted frames are read, and only wanted frames are decoded. Needs TFDS
but not TensorFlow; each worker process can open its own reader, or get one by pickling.
"""

import bisect
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_parser

from gif2video_jax.datasets.clips import decode_image
from gif2video_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Window:
    """Consecutive frames of a video, `step` apart.

    Attributes:
      video: its number in the split.
      start: number of the first frame.
      num_frames: how many.
      step: 1 takes each.
    """

    video: int
    start: int
    num_frames: int
    step: int = 1


class ClipReader:
    """Random access to the frames of one split.

    Attributes:
      video_ids: in the order of their numbers.
      video_lengths: frames of each.
      has_gifs: whether there are GIFs beside the truth.
    """

    def __init__(self, builder: Any, split: str):
        """Opens a split of a prepared builder.

        Raises:
          InputError: if the data set isn't built, or has no such split.
        """
        path = builder.data_path / f"videos_{split}.json"
        if not path.exists():
            raise InputError(
                f"{builder.data_path}: holds no split {split!r}; build the data set with "
                "download_and_prepare() first"
            )
        index = json.loads(path.read_text())
        self._chunk_frames: int = index["chunk_frames"]
        self.video_ids = [video for video, _ in index["videos"]]
        self.video_lengths = [frames for _, frames in index["videos"]]
        chunks = [-(-frames // self._chunk_frames) for frames in self.video_lengths]
        self._first_chunks = np.concatenate([[0], np.cumsum(chunks)]).tolist()
        self._first_frames = np.concatenate([[0], np.cumsum(self.video_lengths)]).tolist()
        self.has_gifs = "palette" in builder.info.features["frames"]
        # Images stay encoded: TFDS would decode all of a chunk's, wanted or not.
        self._parser = example_parser.ExampleParserNp(builder.info.features.get_serialized_info())
        self._source = builder.as_data_source(
            split=split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
        )

    @property
    def num_frames(self) -> int:
        """Of all videos."""
        return self._first_frames[-1]

    def locate(self, frame: int) -> tuple[int, int]:
        """The video's number, and the frame's in it, of a frame counted over all videos.

        Raises:
          IndexError: if there is no such frame.
        """
        if not 0 <= frame < self.num_frames:
            raise IndexError(f"frame: expected 0 to {self.num_frames - 1}, got {frame}")
        video = bisect.bisect_right(self._first_frames, frame) - 1
        return video, frame - self._first_frames[video]

    def frame(self, video: int, number: int) -> dict[str, Any]:
        """One frame: as `window`, without the first axis."""
        found = self.window(video, number, 1)
        return {key: value[0] for key, value in found.items()}

    def video(self, video: int) -> dict[str, Any]:
        """A whole video, as `window`."""
        return self.window(video, 0, self.video_lengths[video])

    def window(
        self, video: int, start: int, num_frames: int, step: int = 1, *, with_gif: bool = True
    ) -> dict[str, np.ndarray]:
        """Consecutive frames of a video.

        Args:
          video: its number.
          start: number of the first frame.
          num_frames: how many.
          step: distance from frame to frame.
          with_gif: decode the GIFs too, where there are any.

        Returns:
          truth uint8 (n, h, w, 3) and time float32 (n,); with GIFs,
          also indices uint8 (n, h, w), palette uint8 (n, 256, 3) and num_colors int32 (n,).

        Raises:
          IndexError: if the video has no such frames.
        """
        numbers = range(start, start + num_frames * step, step)
        length = self.video_lengths[video]
        if not numbers or numbers[0] < 0 or numbers[-1] >= length:
            raise IndexError(
                f"window: expected frames of 0 to {length - 1} of video {video}, got {numbers}"
            )
        chunks: dict[int, dict[str, Any]] = {}
        found: dict[str, list[np.ndarray]] = {}
        for number in numbers:
            chunk, place = divmod(number, self._chunk_frames)
            if chunk not in chunks:
                content = self._source[self._first_chunks[video] + chunk]
                record = self._parser.parse_example(content)
                if record["video"].decode() != self.video_ids[video]:
                    raise InputError(
                        f"{self.video_ids[video]}: its chunk {chunk} holds another video; the "
                        "index and the records are of different builds"
                    )
                chunks[chunk] = record["frames"]
            frames = chunks[chunk]
            found.setdefault("truth", []).append(decode_image(frames["image"][place]))
            found.setdefault("time", []).append(np.asarray(frames["time"][place]))
            if self.has_gifs and with_gif:
                for key in ("palette", "num_colors"):
                    found.setdefault(key, []).append(np.asarray(frames[key][place]))
                found.setdefault("indices", []).append(decode_image(frames["indices"][place]))
        return {key: np.stack(values) for key, values in found.items()}


class FrameSource(Sequence):
    """All frames of a split by number, for Grain's and other random-access loaders."""

    def __init__(self, reader: ClipReader):
        """Of a reader."""
        self._reader = reader

    def __len__(self) -> int:
        """Number of frames."""
        return self._reader.num_frames

    def __getitem__(self, index: Any) -> dict[str, Any]:  # type: ignore[override]
        """See `ClipReader.frame`."""
        return self._reader.frame(*self._reader.locate(int(index)))


class WindowSource(Sequence):
    """All windows of a split, for Grain's and other random-access loaders."""

    def __init__(self, reader: ClipReader, num_frames: int, *, stride: int = 1, step: int = 1):
        """Windows of `num_frames` frames, `step` apart, that start every `stride` frames.

        The paper evaluates on windows of T + 1 frames with stride T + 1 (faces) and 10 (moments).
        """
        self._reader = reader
        span = (num_frames - 1) * step + 1
        self.windows = [
            Window(video, start, num_frames, step)
            for video, length in enumerate(reader.video_lengths)
            for start in range(0, length - span + 1, stride)
        ]

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.windows)

    def __getitem__(self, index: Any) -> dict[str, Any]:  # type: ignore[override]
        """See `ClipReader.window`."""
        return self._reader.window(**dataclasses.asdict(self.windows[int(index)]))
