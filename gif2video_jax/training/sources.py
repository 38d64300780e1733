"""Sources of training pictures by name: a packed corpus, a folder, or a TFDS data set.

    packed:corpus.zip            made by `python -m gif2video_jax.datasets.open_corpus pack`
    folder:my_pictures           any folder of pictures and videos, or a fetched open corpus
    tfds:gif_faces/g32_dither    built by `python -m gif2video_jax.datasets.build`
    tfds:gif_faces/g32_dither+g32_nodither      several configurations of it as one

A path alone is a packed corpus. Packed corpora need Pillow and NumPy, folders PyAV too, and only
TFDS sources need TFDS (not TensorFlow), which is imported when one is opened.
"""

import collections
import functools
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.training.corpus import Item, PackedCorpus, Source
from gif2video_jax.training.joined_source import JoinedSource

SCHEMES = ("packed", "folder", "tfds")

# Of a folder's stills and clips; larger ones are made smaller, which hides their coding damage.
MAX_STILL_SIDE = 1024
MAX_CLIP_SIDE = 512
# Clips of a folder wait in memory as JPEG files: runs of frames, evenly out of each clip.
RUN_FRAMES = 32
MAX_RUNS = 16
_KEPT_BYTES = 256 << 20


def open_source(name: str, *, split: str, kind: str) -> Source:
    """Opens a source by its name, see the head of this file.

    Args:
      name: "packed:FILE", "folder:DIR", "tfds:NAME/CONFIG", "tfds:NAME/CONFIG+CONFIG" or the path
        of a packed corpus.
      split: "train" or "validation"; what else the source has.
      kind: "still" or "clip". Each video of a TFDS data set is a clip, and each a source of stills
        as well.

    Raises:
      InputError: if there is no such source, it lacks what it needs, or it has nothing of that
        kind and split.
    """
    scheme, colon, rest = name.partition(":")
    if not colon or scheme not in SCHEMES:
        if colon and not os.path.exists(name) and len(scheme) > 1:
            raise InputError(
                f"{name}: no such source of data, expected packed:FILE, folder:DIR or "
                "tfds:NAME/CONFIG"
            )
        scheme, rest = "packed", name
    if scheme == "packed":
        return PackedCorpus(rest, split=split, kind=kind)
    if scheme == "folder":
        return FolderSource(rest, split=split, kind=kind)
    if "+" not in rest:
        return TfdsSource(rest, split=split, kind=kind)
    data_set, _, configs = rest.partition("/")
    names = [f"{data_set}/{config}" for config in configs.split("+")]
    return JoinedSource([TfdsSource(one, split=split, kind=kind) for one in names])


class FolderSource(Source):
    """A folder of pictures and videos, see `datasets.corpus_list.read_corpus`.

    Stills stay in memory once decoded. A clip's frames are taken in runs of 32, at most 16 of them
    evenly out of the clip, and each run is an item; they are decoded at the first use and wait as
    JPEG files. Each data worker does so for itself: to train on many or long videos, pack them
    (`open_corpus pack`) or build `gif_open`.
    """

    def __init__(self, folder: str, *, split: str, kind: str):
        """Lists the folder.

        Raises:
          InputError: if it is missing or has nothing of that split and kind.
        """
        from gif2video_jax.datasets.corpus_list import read_corpus

        self._folder = folder
        found = [i for i in read_corpus(folder) if i.split == split and i.kind == kind]
        self._backgrounds = {item.path: item.background for item in found}
        self._stills: dict[str, np.ndarray] = {}
        self._clips: collections.OrderedDict[str, dict[int, bytes]] = collections.OrderedDict()
        self.items = [
            Item(kind, split, item.group, (item.path, str(start)), count)
            for item in found
            for start, count in ([(0, 1)] if kind == "still" else self._runs(item.path))
        ]
        if not self.items:
            raise InputError(f"{folder}: holds no {kind} of the split {split!r}")

    def __str__(self) -> str:
        """The folder."""
        return self._folder

    def frame(self, item: Item, index: int = 0) -> UInt8[np.ndarray, "h w 3"]:
        """See `Source`."""
        path, start = item.paths
        if item.kind == "clip":
            coded = self._coded(path)[int(start) + index]
            return np.asarray(Image.open(io.BytesIO(coded)))
        if path not in self._stills:
            from gif2video_jax.datasets.pictures import load_still

            image = load_still(
                Path(self._folder, path),
                max_side=MAX_STILL_SIDE,
                background=self._backgrounds[path],
            )
            self._stills[path] = np.asarray(image)
        return self._stills[path]

    def _runs(self, path: str) -> list[tuple[int, int]]:
        """First frames and lengths of a clip's runs; none if it cannot be read."""
        from gif2video_jax.media import open_video

        try:
            with open_video(Path(self._folder, path)) as video:
                count = video.num_frames or sum(1 for _ in video)
        except InputError:
            return []
        whole = max(1, count // RUN_FRAMES)
        chosen = sorted({number * whole // MAX_RUNS for number in range(MAX_RUNS)})
        runs = [(RUN_FRAMES * run, min(RUN_FRAMES, count - RUN_FRAMES * run)) for run in chosen]
        return [(start, length) for start, length in runs if length > 0]

    def _coded(self, path: str) -> dict[int, bytes]:
        """The frames of a clip's runs as JPEG files, by their numbers."""
        if path in self._clips:
            self._clips.move_to_end(path)
            return self._clips[path]
        from gif2video_jax.datasets.pictures import fit
        from gif2video_jax.media import open_video

        wanted: set[int] = set()
        for item in self.items:
            if item.paths[0] == path:
                start = int(item.paths[1])
                wanted.update(range(start, start + item.num_frames))
        coded: dict[int, bytes] = {}
        with open_video(Path(self._folder, path)) as video:
            for number, frame in enumerate(video):
                if number in wanted:
                    buffer = io.BytesIO()
                    image = fit(Image.fromarray(frame), MAX_CLIP_SIDE)
                    image.save(buffer, "JPEG", quality=95, subsampling="4:4:4")
                    coded[number] = buffer.getvalue()
                if number == max(wanted):
                    break
        missing = sorted(wanted - coded.keys())
        if missing:
            raise InputError(
                f"{os.path.join(self._folder, path)}: ends before frame {missing[0]}, which it "
                "says it has; write the video again, or take it out"
            )
        self._clips[path] = coded
        sizes = {p: sum(map(len, frames.values())) for p, frames in self._clips.items()}
        while len(self._clips) > 1 and sum(sizes.values()) > _KEPT_BYTES:
            oldest, _ = self._clips.popitem(last=False)
            del sizes[oldest]
        return coded


class TfdsSource(Source):
    """A built data set of `gif2video_jax.datasets`, read at random by `tfds.data_source`.

    Only the chunks that hold wanted frames are read and only these frames decoded. TFDS looks for
    data sets in the folder that TFDS_DATA_DIR names, or ~/tensorflow_datasets.
    """

    def __init__(self, name: str, *, split: str, kind: str):
        """Finds the data set.

        Raises:
          InputError: if TFDS is missing, there is no such data set, or it isn't built.
        """
        self._name, self._split = name, split
        clips = self._clips
        self.has_gifs = clips.has_gifs
        self.items = [
            Item(kind, split, video, (str(number),), length)
            for number, (video, length) in enumerate(
                zip(clips.video_ids, clips.video_lengths, strict=True)
            )
            if kind == "still" or length > 1
        ]
        if not self.items:
            raise InputError(f"tfds:{name}: holds no {kind} of the split {split!r}")

    def __str__(self) -> str:
        """The name."""
        return f"tfds:{self._name}"

    def __getstate__(self) -> dict[str, Any]:
        """Without the open files: a worker opens its own."""
        return {key: value for key, value in self.__dict__.items() if key != "_clips"}

    @functools.cached_property
    def _clips(self) -> Any:
        """The reader (`datasets.reading.ClipReader`)."""
        try:
            import tensorflow_datasets as tfds

            from gif2video_jax.datasets import TFDS_DATASETS, reading
        except ImportError as error:
            raise InputError(
                f"tfds:{self._name}: needs packages that are not installed ({error}): "
                "pip install '.[data]' in this project's folder"
            ) from None
        name, _, config = self._name.partition("/")
        if name not in TFDS_DATASETS or not config:
            raise InputError(
                f"tfds:{self._name}: no such data set, expected tfds:NAME/CONFIG with a name of "
                f"{', '.join(TFDS_DATASETS)} and a config such as g32_dither"
            )
        try:
            # TFDS itself looks at the variable only when it is imported.
            builder = tfds.builder(self._name, data_dir=os.environ.get("TFDS_DATA_DIR"))
        except ValueError as error:
            raise InputError(f"tfds:{self._name}: {error}") from None
        if not (builder.data_path / "dataset_info.json").exists():
            raise InputError(
                f"tfds:{self._name}: not built in {builder.data_path.parent.parent.parent}; "
                f"`python -m gif2video_jax.datasets.build {self._name}` builds it"
            )
        return reading.ClipReader(builder, self._split)

    def frame(self, item: Item, index: int = 0) -> UInt8[np.ndarray, "h w 3"]:
        """See `Source`."""
        return self.frames(item, range(index, index + 1))[0]

    def frames(self, item: Item, numbers: range) -> UInt8[np.ndarray, "n h w 3"]:
        """See `Source`."""
        return self._window(item, numbers, with_gif=False)["truth"]

    def gif_frames(self, item: Item, numbers: range) -> dict[str, np.ndarray]:
        """See `Source`."""
        if not self.has_gifs:
            return super().gif_frames(item, numbers)
        return self._window(item, numbers, with_gif=True)

    def _window(self, item: Item, numbers: range, with_gif: bool) -> dict[str, np.ndarray]:
        return self._clips.window(
            int(item.paths[0]), numbers.start, len(numbers), numbers.step, with_gif=with_gif
        )
