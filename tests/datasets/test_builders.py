"""The TFDS builders on miniatures of the real archives, which the tests make."""

import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from tests import oracles

if importlib.util.find_spec("tensorflow_datasets") is None:
    oracles.missing("tensorflow_datasets")

import tensorflow_datasets as tfds

import gif2video_jax.datasets
from gif2video_jax.datasets import clip_builder, reading, shards
from gif2video_jax.datasets.gif_faces import gif_faces_dataset_builder as faces
from gif2video_jax.datasets.gif_moments import gif_moments_dataset_builder as moments
from gif2video_jax.datasets.gif_open import gif_open_dataset_builder as open_
from gif2video_jax.errors import InputError
from gif2video_jax.media import open_video
from tests.datasets import building, miniature
from tests.datasets.building import build, examples, record_files

# TensorFlow and Beam warn about their own parts.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A folder with miniatures of both archives, and what their builders expect of them."""
    with building.miniatures(tmp_path_factory.mktemp("manual")) as folder:
        yield folder


class _NoTest:
    """TensorFlow's `test_session`, which runners take for a test by its name."""

    def __get__(self, instance, owner):
        base = tfds.testing.DatasetBuilderTestCase
        return None if instance is None else base.test_session.__get__(instance, owner)


class _FolderCase:
    """Makes the folder of manual downloads before TFDS's test asks for it."""

    VERSION = "1.0.0"
    test_session = _NoTest()

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.patches = cls.make(Path(cls.EXAMPLE_DIR))
        for patch in cls.patches:
            patch.start()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for patch in cls.patches:
            patch.stop()
        shutil.rmtree(cls.EXAMPLE_DIR)


class GifFacesTest(_FolderCase, tfds.testing.DatasetBuilderTestCase):
    """TFDS's own test of a builder."""

    DATASET_CLASS = faces.Builder
    SPLITS = {"train": 4, "validation": 1}

    @classmethod
    def make(cls, folder):
        return building.make_faces(folder)


class GifMomentsTest(_FolderCase, tfds.testing.DatasetBuilderTestCase):
    """TFDS's own test of a builder."""

    DATASET_CLASS = moments.Builder
    SPLITS = {"train": 3, "validation": 1, "test": 1}
    BUILDER_CONFIG_NAMES_TO_TEST = ["g32_dither", "frames"]

    @classmethod
    def make(cls, folder):
        return building.make_moments(folder)


class GifOpenTest(_FolderCase, tfds.testing.DatasetBuilderTestCase):
    """TFDS's own test of a builder."""

    DATASET_CLASS = open_.Builder
    VERSION = "1.1.0"
    SPLITS = {"train": 4, "validation": 1}
    BUILDER_CONFIG_NAMES_TO_TEST = ["g32_nodither", "frames"]

    @classmethod
    def make(cls, folder):
        miniature.make_open(folder)
        return []


# --- facts of the data sets


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        # 100 x 80: first (74, 79) to (224, 199), square to (224, 229), then 113.25 about (149, 154)
        ((100, 100, 199, 179), (35, 40, 262, 267)),
        # at the corner: first (-5.5, -5.5) to (24.5, 24.5), cut and clamped; 18.75 about (12, 12)
        ((0, 0, 19, 19), (0, 0, 30, 30)),
        # a single pixel: 49.25 is cut to 49 and 50.75 to 50, then 0.75 of 2 about 49.5
        ((50, 50, 50, 50), (48, 48, 51, 51)),
    ],
)
def test_the_crop_is_the_authors(found, kept):
    assert faces.face_box(*found) == kept


def test_the_published_facts_are_those_of_the_papers_data():
    assert sum(frames for _, frames in faces.Builder.PUBLISHED.values()) == 457_788 + 51_368
    assert [videos for videos, _ in faces.Builder.PUBLISHED.values()] == [883, 104]
    assert [v for v, _ in moments.Builder.PUBLISHED.values()] == [60_838, 3_578, 7_159]
    assert faces.Builder.MD5 == "429c9b319e5011cbf0801d3f3475ad89"
    assert moments.Builder.MD5 == "77e2439ac1af5d04eec5714012967f28"
    infos = moments.Builder.url_infos
    sizes = {"train": 1931714, "validation": 113579, "test": 227342}
    for split, (name, sha256) in moments.Builder.LISTS.items():
        info = infos[moments.Builder.LISTS_URL + name]
        assert (info.size, info.checksum) == (sizes[split], sha256)


@pytest.mark.parametrize(
    ("size", "scaled"),
    [((720, 1280), (360, 636)), ((480, 360), (480, 360)), ((1920, 1080), (636, 360))],
)
def test_moments_are_scaled_to_360_and_multiples_of_12(size, scaled):
    assert moments.moment_size(*size) == scaled


# --- building and reading


def test_faces_equal_frames_cropped_and_resized_by_opencv(archives, tmp_path):
    cv2 = oracles.require_module("cv2")
    builder = build("gif_faces/frames", tmp_path, archives)
    for split, folder in (("train", "train"), ("validation", "valid")):
        clips = reading.ClipReader(builder, split)
        for number, video in enumerate(clips.video_ids):
            box = faces.face_box(*miniature.FACES[folder][video + ".avi"])
            path = archives / "faces_content/FaceForensics_AVIs" / folder / f"{video}.avi"
            found = clips.video(number)["truth"]
            assert len(found) == miniature.FACE_FRAMES[video + ".avi"]
            for truth, frame in zip(found, open_video(path), strict=True):
                crop = frame[box[1] : box[3] + 1, box[0] : box[2] + 1]
                buffer = io.BytesIO()
                resized = Image.fromarray(cv2.resize(crop, (256, 256)))
                resized.save(buffer, "JPEG", quality=95)
                np.testing.assert_array_equal(truth, np.asarray(Image.open(buffer)))


def test_a_window_equals_the_frames_of_the_video_and_single_frames(archives, tmp_path):
    builder = build("gif_faces/g32_dither", tmp_path, archives)
    clips = reading.ClipReader(builder, "train")
    assert clips.video_ids == ["t_one", "t_two"] and clips.video_lengths == [19, 8]
    whole = clips.video(0)
    window = clips.window(0, 5, 9)
    for key in ("truth", "indices", "palette", "num_colors", "time"):
        np.testing.assert_array_equal(window[key], whole[key][5:14])
    np.testing.assert_array_equal(clips.window(0, 1, 4, step=5)["truth"], whole["truth"][1:17:5])
    assert clips.locate(18) == (0, 18) and clips.locate(19) == (1, 0)
    single = reading.FrameSource(clips)
    assert len(single) == 27
    np.testing.assert_array_equal(single[6]["indices"], whole["indices"][6])
    np.testing.assert_allclose(whole["time"], np.arange(19) / 25, atol=1e-3)
    gif = np.take_along_axis(
        whole["palette"][0].astype(int), whole["indices"][0].reshape(-1, 1).astype(int), 0
    )
    assert np.abs(gif.reshape(256, 256, 3) - whole["truth"][0]).mean() < 25
    assert (whole["num_colors"] <= 32).all() and whole["indices"].max() < 32
    for wrong in ((0, 12, 9), (1, 0, 9), (0, -1, 2)):
        with pytest.raises(IndexError, match="expected frames of 0 to"):
            clips.window(*wrong)
    with pytest.raises(IndexError, match="expected 0 to 26, got 27"):
        clips.locate(27)


def test_a_window_reads_only_its_chunks_and_decodes_only_its_frames(archives, tmp_path):
    builder = build("gif_faces/frames", tmp_path, archives)
    clips = reading.ClipReader(builder, "train")
    with (
        mock.patch.object(reading, "decode_image", wraps=reading.decode_image) as decode,
        mock.patch.object(clips, "_source", mock.MagicMock(wraps=clips._source)) as source,
    ):
        source.__getitem__.side_effect = source._mock_wraps.__getitem__
        clips.window(0, 6, 5)
    assert decode.call_count == 5
    assert [call.args[0] for call in source.__getitem__.call_args_list] == [0, 1]


def test_windows_are_numbered_as_the_paper_evaluates(archives, tmp_path):
    builder = build("gif_faces/frames", tmp_path, archives)
    clips = reading.ClipReader(builder, "train")
    windows = reading.WindowSource(clips, 5, stride=5)
    assert [(w.video, w.start) for w in windows.windows] == [(0, 0), (0, 5), (0, 10), (1, 0)]
    assert windows[3]["truth"].shape == (5, 256, 256, 3)


def test_tfds_load_and_data_source_give_the_same_examples(tmp_path):
    miniature.make_open(tmp_path / "own")
    builder = build("gif_open", tmp_path, tmp_path / "own")
    source = tfds.data_source("gif_open", split="train", data_dir=str(tmp_path))
    dataset = list(tfds.load("gif_open", split="train", data_dir=str(tmp_path)))
    assert len(source) == len(dataset) == builder.info.splits["train"].num_examples == 4
    for one, other in zip(source, dataset, strict=True):
        assert one["video"] == other["video"].numpy() and one["group"] == other["group"].numpy()
        for key in ("indices", "palette", "num_colors", "time"):
            np.testing.assert_array_equal(one["frames"][key], other["frames"][key].numpy())
        # TensorFlow's decoder of JPEG rounds otherwise.
        images = np.array(one["frames"]["image"], int)
        assert np.abs(images - other["frames"]["image"].numpy()).mean() < 2
    part = tfds.load("gif_open", split="train[1:3]", data_dir=str(tmp_path))
    assert [e["start"].numpy() for e in part] == [e["start"].numpy() for e in dataset[1:3]]
    shuffled = tfds.load(
        "gif_open",
        split="train",
        data_dir=str(tmp_path),
        shuffle_files=True,
        decoders=tfds.decode.PartialDecoding({"video": True}),
    )
    assert sorted(e["video"].numpy() for e in shuffled) == sorted(e["video"] for e in source)


def test_stills_and_clips_keep_kind_group_and_split(tmp_path):
    miniature.make_open(tmp_path / "own")
    builder = build("gif_open/frames", tmp_path, tmp_path / "own")
    source = builder.as_data_source(split="train")
    kinds = {e["video"].decode(): e["kind"].decode() for e in source}
    assert kinds == {
        "train/picturea.png": "still",
        "train/pictureu.png": "still",
        "train/walk.mp4": "clip",
    }
    clips = reading.ClipReader(builder, "train")
    assert clips.video_lengths == [1, 1, 13]
    path = tmp_path / "own/train/picturea.png"
    buffer = io.BytesIO()
    Image.open(path).save(buffer, "JPEG", quality=95, subsampling="4:4:4")
    expected = np.asarray(Image.open(buffer))
    np.testing.assert_array_equal(clips.frame(0, 0)["truth"], expected)


def test_any_colours_quantiser_and_dither_by_name(tmp_path):
    miniature.make_open(tmp_path / "own")
    builder = build("gif_open/g8_median_cut_bayer2", tmp_path, tmp_path / "own")
    clips = reading.ClipReader(builder, "validation")
    assert clips.frame(0, 0)["num_colors"] <= 8
    again = tfds.builder("gif_open/g8_median_cut_bayer2", data_dir=str(tmp_path))
    assert again.info.splits["train"].num_examples == 4
    with pytest.raises(ValueError, match="g8_wu_none: no such configuration, expected"):
        tfds.builder("gif_open/g8_wu_none", data_dir=str(tmp_path))


def test_tfrecord_works_where_it_is_asked_for(tmp_path):
    miniature.make_open(tmp_path / "own")
    builder = tfds.builder("gif_open/frames", data_dir=str(tmp_path), file_format="tfrecord")
    config = tfds.download.DownloadConfig(manual_dir=str(tmp_path / "own"))
    builder.download_and_prepare(download_config=config)
    assert len(list(builder.as_dataset(split="train"))) == 4


# --- stopping, going on, workers


def test_a_stopped_build_goes_on_from_its_finished_shards(archives, tmp_path, monkeypatch):
    monkeypatch.setattr(moments.Builder, "SHARD_BYTES", 1)
    whole = build("gif_moments/frames", tmp_path / "whole", archives)
    written = []
    write = clip_builder.RecordWriter.__call__

    def stop_at_the_third(self, path, chunks):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        write(self, path, chunks)

    monkeypatch.setattr(clip_builder.RecordWriter, "__call__", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        build("gif_moments/frames", tmp_path / "parts", archives)
    unfinished = tmp_path / "parts/unfinished/gif_moments/frames/1.0.0"
    assert len(list(unfinished.glob("*.records"))) == 2

    def count(self, path, chunks):
        written.append(path)
        write(self, path, chunks)

    monkeypatch.setattr(clip_builder.RecordWriter, "__call__", count)
    parts = build("gif_moments/frames", tmp_path / "parts", archives)
    assert len(written) == 4, "two before, two after"
    assert record_files(parts) == record_files(whole) and len(record_files(parts)) == 4
    assert not (tmp_path / "parts/unfinished").exists()


def test_a_shard_of_other_sources_is_made_anew(tmp_path):
    miniature.make_open(tmp_path / "own")
    item = open_._video_item(tmp_path / "own", open_.read_corpus(tmp_path / "own")[0])
    recipe = open_.ClipRecipe()
    writer = clip_builder.RecordWriter(False, open_.Builder.FIELDS, "array_record")
    task = shards.ShardTask(str(tmp_path / "work"), "train", 0, (item,), recipe, writer)
    first = shards.write_shard(task)
    assert shards.read_report(task) == first
    import dataclasses

    for change in (
        {"recipe": dataclasses.replace(recipe, max_side=99)},
        {"items": (dataclasses.replace(item, bytes=item.bytes + 1),)},
        {"write_records": dataclasses.replace(writer, file_format="tfrecord")},
    ):
        assert shards.read_report(dataclasses.replace(task, **change)) is None
    moved = dataclasses.replace(item, path="/elsewhere/" + item.id)
    assert shards.read_report(dataclasses.replace(task, items=(moved,))) == first
    task.path.write_bytes(task.path.read_bytes()[:-1])
    assert shards.read_report(task) is None, "a truncated shard does not count"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("write() failed: No space left on device"),
    ],
)
def test_a_full_disk_says_that_finished_shards_stay(archives, tmp_path, monkeypatch, error):
    monkeypatch.setattr(moments.Builder, "SHARD_BYTES", 1)
    write = clip_builder.RecordWriter.__call__
    written = []

    def full_at_the_second(self, path, chunks):
        if written:
            raise error
        written.append(path)
        write(self, path, chunks)

    monkeypatch.setattr(clip_builder.RecordWriter, "__call__", full_at_the_second)
    with pytest.raises(InputError, match="no space left; finished shards stay there"):
        build("gif_moments/frames", tmp_path, archives)
    assert len(list((tmp_path / "unfinished").rglob("*.records"))) == 1


def test_several_processes_build_the_same_files(archives, tmp_path, monkeypatch):
    monkeypatch.setattr(moments.Builder, "SHARD_BYTES", 1)
    one = build("gif_moments/frames", tmp_path / "one", archives)
    monkeypatch.setenv(clip_builder.WORKERS_VARIABLE, "2")
    two = build("gif_moments/frames", tmp_path / "two", archives)
    assert examples(one) == examples(two)
    assert len(record_files(one)) == len(record_files(two)) == 4


def test_beam_with_several_workers_builds_the_same_files(archives, tmp_path, monkeypatch):
    oracles.require_module("apache_beam")
    from apache_beam.options.pipeline_options import PipelineOptions

    monkeypatch.setattr(moments.Builder, "SHARD_BYTES", 1)
    here = build("gif_moments/g32_nodither", tmp_path / "here", archives)
    options = PipelineOptions(["--direct_num_workers=2", "--direct_running_mode=multi_processing"])
    beam = build("gif_moments/g32_nodither", tmp_path / "beam", archives, beam_options=options)
    assert examples(here) == examples(beam)
    assert len(record_files(here)) == len(record_files(beam)) == 4
    report = json.loads((beam.data_path / "report.json").read_text())
    assert report["splits"]["train"] == {"videos": 2, "frames": 15}


# --- what gets imported


def test_registering_building_and_reading_import_neither_jax_nor_tensorflow(tmp_path):
    miniature.make_open(tmp_path / "own")
    code = f"""
import sys
import gif2video_jax.datasets
assert not {{"jax", "tensorflow", "apache_beam"}} & set(sys.modules)
import tensorflow_datasets as tfds
builder = tfds.builder("gif_open", data_dir={str(tmp_path)!r})
config = tfds.download.DownloadConfig(manual_dir={str(tmp_path / "own")!r})
builder.download_and_prepare(download_config=config)
from gif2video_jax.datasets.reading import ClipReader
ClipReader(builder, "train").frame(0, 0)
assert not {{"jax", "tensorflow", "apache_beam"}} & set(sys.modules), set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tfds_finds_all_three_by_name():
    assert gif2video_jax.datasets.TFDS_DATASETS == ("gif_faces", "gif_moments", "gif_open")
    for name in gif2video_jax.datasets.TFDS_DATASETS:
        assert tfds.builder_cls(name).name == name


def test_looking_for_a_name_is_quick():
    start = time.perf_counter()
    tfds.builder_cls("gif_open")
    assert time.perf_counter() - start < 2
