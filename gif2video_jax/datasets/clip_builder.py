"""What the three TFDS builders share: configurations, features, sharded builds, both readers.

Examples are chunks of consecutive frames, in the order of the videos (see `clips`), in ArrayRecord
files, which allow random access. `reading` finds frames, windows and videos in them.
"""

import dataclasses
import functools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

try:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import dataset_builder, example_serializer, file_adapters
except ImportError as error:
    raise ImportError(
        f"the TFDS builders need packages that are not installed ({error}); "
        "pip install '.[data]' in this project's folder"
    ) from None
from etils import epath

from gif2video_jax.datasets import shards
from gif2video_jax.datasets.clips import (
    CHUNK_FRAMES,
    Chunk,
    ClipRecipe,
    GifRecipe,
    VideoItem,
    parse_recipe,
)
from gif2video_jax.errors import InputError

Version = tfds.core.Version
PART = "_part"
# How many processes build, where Beam does not.
WORKERS_VARIABLE = "GIF2VIDEO_DATA_WORKERS"


@dataclasses.dataclass
class ClipConfig(tfds.core.BuilderConfig):
    """A configuration of a builder; the name says how GIFs are made (see `clips.parse_recipe`).

    Attributes:
      gif: how GIFs are made; None for the truth alone.
      chunk_frames: consecutive frames in an example.
      allow_missing: build from a part of the videos that are listed.
    """

    gif: GifRecipe | None = None
    chunk_frames: int = CHUNK_FRAMES
    allow_missing: bool = False


@functools.cache
def config_of(name: str) -> ClipConfig:
    """Makes the configuration that a name stands for.

    `frames`, `g32_dither` and the like; with `_part` at the end, listed videos may be missing.

    Raises:
      InputError: if the name is none.
    """
    gif = parse_recipe(name.removesuffix(PART))
    if gif is None:
        description = "The truth alone, for GIFs that are made on the fly."
    else:
        description = (
            f"GIF frames of {gif.num_colors} colours, {gif.quantizer} quantiser, dither: "
            f"{gif.dither}, each frame on its own."
        )
    if name.endswith(PART):
        description += " Of those videos that were there."
    return ClipConfig(
        name=name, description=description, gif=gif, allow_missing=name.endswith(PART)
    )


def common_configs() -> list[ClipConfig]:
    """The paper's two, and the truth alone."""
    return [config_of(name) for name in ("g32_nodither", "g32_dither", "frames")]


def make_features(with_gif: bool, text_fields: Sequence[str] = ()) -> Any:
    """The features of examples with or without GIFs, with fields beside the common ones."""
    frame = {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
        "time": np.float32,
    }
    if with_gif:
        frame |= {
            "indices": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "palette": tfds.features.Tensor(shape=(256, 3), dtype=np.uint8),
            "num_colors": np.int32,
        }
    return tfds.features.FeaturesDict(
        {
            "video": tfds.features.Text(),
            "start": np.int32,
            **{name: tfds.features.Text() for name in text_fields},
            "frames": tfds.features.Sequence(frame),
        }
    )


@dataclasses.dataclass(frozen=True)
class RecordWriter:
    """Serialises chunks as TFDS does, into a file of a format. Pickles, for workers.

    Attributes:
      with_gif: whether there are GIFs beside the truth.
      fields: names of the fields beside the common ones, all text.
      file_format: a value of TFDS's `FileFormat`.
    """

    with_gif: bool
    fields: tuple[str, ...]
    file_format: str

    def __call__(self, path: str, chunks: Iterator[tuple[str, Chunk]]) -> None:
        """Writes keys and chunks to `path`."""
        features = make_features(self.with_gif, self.fields)
        serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
        adapter = file_adapters.ADAPTER_FOR_FORMAT[
            file_adapters.FileFormat.from_value(self.file_format)
        ]
        adapter.write_examples(
            path,
            (
                (key, serializer.serialize_example(features.encode_example(_only(chunk, features))))
                for key, chunk in chunks
            ),
        )


def _only(chunk: Chunk, features: Any) -> Chunk:
    """Without the fields that only the preparation needs."""
    return {name: chunk[name] for name in features}


class ClipBuilder(dataset_builder.FileReaderBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A builder whose sources are videos and stills.

    A subclass says which (`_sources`), how to prepare a frame (`_clip_recipe`), and what a full
    build has (`PUBLISHED`).
    """

    VERSION = Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = common_configs()
    # Split -> (videos, frames or None) as the authors published.
    PUBLISHED: dict[str, tuple[int, int | None]] = {}
    FIELDS: tuple[str, ...] = ()
    SHARD_BYTES = shards.SHARD_BYTES

    def __init__(self, *, file_format: Any = None, **options: Any):
        """As TFDS's builders, but ArrayRecord is the default format.

        Raises:
          ValueError: if there is no configuration of the given name.
        """
        if isinstance(options.get("config"), str):
            try:
                config_of(options["config"].split(":")[0])
            except InputError as error:
                raise ValueError(str(error)) from None
        super().__init__(file_format=file_format, **options)
        if file_format is None and not self.data_path.exists():
            self.info.set_file_format("array_record", override=True)

    @classmethod
    def get_builder_config(cls, name: str, version: Any = None) -> ClipConfig | None:
        """The configuration of a name, common or not; None if the name is none."""
        del version
        try:
            return config_of(name)
        except InputError:
            return None

    def _sources(self, dl_manager: Any) -> Mapping[str, Sequence[VideoItem]]:
        """Finds the videos of each split, in the order they are written in."""
        raise NotImplementedError

    def _clip_recipe(self) -> ClipRecipe:
        """How videos become chunks."""
        raise NotImplementedError

    def _info(self) -> Any:
        return self.dataset_info_from_configs(
            features=make_features(self.builder_config.gif is not None, self.FIELDS),
            homepage="https://arxiv.org/abs/1901.02840",
            disable_shuffling=True,
        )

    @property
    def unfinished_folder(self) -> epath.Path:
        """Where shards wait until all are there; removed then."""
        folder = epath.Path(self.data_dir_root) / "unfinished" / self.name
        return folder / self.builder_config.name / str(self.version)

    def download_and_prepare(self, **options: Any) -> None:
        """As TFDS's; a build that was stopped goes on from its finished shards."""
        super().download_and_prepare(**options)
        for left in self.data_path.parent.glob(f"incomplete.*_{self.version}"):
            if not any(left.iterdir()):  # of a build that was killed
                left.rmdir()
        folder = self.unfinished_folder
        if folder.exists():
            folder.rmtree()
            for parent in list(folder.parents)[:3]:  # version, configuration, data set
                if not any(parent.iterdir()):
                    parent.rmdir()

    def _download_and_prepare(self, dl_manager: Any, download_config: Any = None) -> None:
        config = download_config or tfds.download.DownloadConfig()
        sources = self._sources(dl_manager)
        tasks = [task for split, items in sources.items() for task in self._tasks(split, items)]
        workers = int(os.environ.get(WORKERS_VARIABLE, "1"))
        bar = tfds.core.utils.tqdm(total=len(tasks), unit=" shards", desc=f"Building {self.name}")

        def show(done: int, total: int) -> None:
            del total
            bar.update(done - bar.n)

        with bar:
            reports = shards.write_shards(
                tasks,
                num_workers=workers,
                beam_runner=config.beam_runner,
                beam_options=config.beam_options,
                progress=show,
            )
        pairs = list(zip(tasks, reports, strict=True))
        infos = [
            self._assemble(split, [pair for pair in pairs if pair[0].split == split])
            for split in sources
        ]
        self.info.set_splits(tfds.core.SplitDict([info for info in infos if info is not None]))
        if not self.info.splits:
            problems = [line for report in reports for line in report.problems]
            shown = "; ".join(problems[:3])
            raise InputError(f"{self.name}: none of {len(problems)} videos can be read: {shown}")
        self._write_report(pairs, sources)

    def _tasks(self, split: str, items: Sequence[VideoItem]) -> Iterator[shards.ShardTask]:
        recipe = self._clip_recipe()
        with_gif = self.builder_config.gif is not None
        writer = RecordWriter(with_gif, self.FIELDS, self.info.file_format.value)
        for number, group in enumerate(shards.group_items(items, self.SHARD_BYTES)):
            yield shards.ShardTask(
                folder=os.fspath(self.unfinished_folder),
                split=split,
                number=number,
                items=group,
                recipe=recipe,
                write_records=writer,
            )

    def _assemble(
        self, split: str, pairs: Sequence[tuple[shards.ShardTask, shards.ShardReport]]
    ) -> Any:
        """Puts a split's shards where TFDS looks for them; returns its description."""
        pairs = [pair for pair in pairs if pair[1].examples]
        if not pairs:
            return None
        template = self._get_filename_template(split_name=split)
        for number, (task, _) in enumerate(pairs):
            target = template.sharded_filepath(shard_index=number, num_shards=len(pairs))
            _link_or_copy(task.path, target)
        videos = [video for _, report in pairs for video in report.videos]
        index = {"chunk_frames": self.builder_config.chunk_frames, "videos": videos}
        (self.data_path / f"videos_{split}.json").write_text(json.dumps(index))
        return tfds.core.SplitInfo(
            name=split,
            shard_lengths=[report.examples for _, report in pairs],
            num_bytes=sum(report.bytes for _, report in pairs),
            filename_template=template,
        )

    def _write_report(
        self,
        pairs: Sequence[tuple[shards.ShardTask, shards.ShardReport]],
        sources: Mapping[str, Sequence[VideoItem]],
    ) -> None:
        """Compares the build with what was published, and lists what was skipped."""
        lines = []
        content: dict[str, Any] = {"splits": {}, "skipped": []}
        for split, items in sources.items():
            reports = [report for task, report in pairs if task.split == split]
            videos = dict(video for report in reports for video in report.videos)
            counts = {"videos": len(videos), "frames": sum(videos.values())}
            content["splits"][split] = counts
            content["skipped"] += [line for report in reports for line in report.problems]
            expected_videos, expected_frames = self.PUBLISHED.get(split, (len(items), None))
            if counts["videos"] != expected_videos:
                lines.append(f"{split}: {counts['videos']} videos, expected {expected_videos}")
            if expected_frames is not None and counts["frames"] != expected_frames:
                lines.append(f"{split}: {counts['frames']} frames, expected {expected_frames}")
            other = [i for i in items if i.frames and videos.get(i.id, i.frames) != i.frames]
            if other:
                lines.append(
                    f"{split}: {len(other)} videos have other numbers of frames than published, "
                    f"such as {other[0].id}: {videos[other[0].id]}, expected {other[0].frames}"
                )
        content["differs"] = lines
        (self.data_path / "report.json").write_text(json.dumps(content, indent=1))
        for line in [*lines, *(f"skipped {line}" for line in content["skipped"][:20])]:
            print(f"{self.name}: {line}")
        if len(content["skipped"]) > 20:
            print(f"{self.name}: skipped {len(content['skipped'])} in all, see report.json")

    def _as_dataset(
        self, split: Any, decoders: Any = None, read_config: Any = None, shuffle_files: bool = False
    ) -> Any:
        """Reads ArrayRecord through `tf.data` too, which TFDS doesn't do by itself."""
        if self.info.file_format != file_adapters.FileFormat.ARRAY_RECORD:
            return super()._as_dataset(split, decoders, read_config, shuffle_files)
        from gif2video_jax.datasets import tf_reading

        return tf_reading.read_dataset(self, split, decoders, read_config, shuffle_files)


def _link_or_copy(source: epath.Path, target: epath.Path) -> None:
    """A hard link where one can be, so that a build takes its space once."""
    try:
        os.link(os.fspath(source), os.fspath(target))
    except OSError:
        if "://" in os.fspath(source):
            source.copy(target, overwrite=True)
        else:
            shutil.copyfile(os.fspath(source), os.fspath(target))
