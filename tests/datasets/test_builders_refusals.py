"""What the TFDS builders say of bad input: partial archives, broken videos, malformed lists."""

import hashlib
import importlib.util
import json
import shutil
from unittest import mock

import pytest

from tests import oracles

if importlib.util.find_spec("tensorflow_datasets") is None:
    oracles.missing("tensorflow_datasets")

import tensorflow_datasets as tfds

from gif2video_jax.datasets import build as build_command
from gif2video_jax.datasets import reading
from gif2video_jax.datasets.gif_faces import gif_faces_dataset_builder as faces
from gif2video_jax.datasets.gif_moments import gif_moments_dataset_builder as moments
from gif2video_jax.errors import InputError
from tests.datasets import building, miniature
from tests.datasets.building import build

# TensorFlow and Beam warn about their own parts.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A folder with miniatures of both archives, and what their builders expect of them."""
    with building.miniatures(tmp_path_factory.mktemp("manual")) as folder:
        yield folder


def test_a_partial_archive_is_refused_with_what_was_expected(archives, tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    content = (archives / "FaceForensics_AVIs.tar").read_bytes()
    (manual / "FaceForensics_AVIs.tar").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        InputError, match=f"MD5 .* bytes, expected {faces.Builder.MD5} of the whole"
    ):
        build("gif_faces/frames", tmp_path, manual)


def test_an_incomplete_folder_is_refused_unless_asked_for(archives, tmp_path):
    manual = tmp_path / "manual"
    shutil.copytree(archives / "faces_content", manual)
    (manual / "FaceForensics_AVIs/train/t_two.avi").unlink()
    with pytest.raises(InputError, match="1 of 2 videos are missing, such as t_two.avi; expected"):
        build("gif_faces/frames", tmp_path, manual)
    builder = build("gif_faces/frames_part", tmp_path, manual)
    assert reading.ClipReader(builder, "train").video_ids == ["t_one"]


def test_unreadable_videos_are_counted_listed_and_skipped(archives, tmp_path, capsys):
    manual = tmp_path / "manual"
    shutil.copytree(archives / "faces_content", manual)
    (manual / "FaceForensics_AVIs/train/t_two.avi").write_bytes(b"no video")
    builder = build("gif_faces/frames", tmp_path, manual)
    assert reading.ClipReader(builder, "train").video_ids == ["t_one"]
    report = json.loads((builder.data_path / "report.json").read_text())
    assert report["splits"]["train"] == {"videos": 1, "frames": 19}
    assert len(report["skipped"]) == 1 and "t_two.avi" in report["skipped"][0]
    assert report["differs"] == [
        "train: 1 videos, expected 2",
        "train: 19 frames, expected 27",
    ]
    assert "gif_faces: train: 1 videos, expected 2" in capsys.readouterr().out


def test_a_build_of_unreadable_videos_alone_is_refused(archives, tmp_path):
    manual = tmp_path / "manual"
    shutil.copytree(archives / "faces_content", manual)
    for path in manual.rglob("*.avi"):
        path.write_bytes(b"no video")
    with pytest.raises(InputError, match="none of 3 videos can be read: t_one: .*t_one.avi"):
        build("gif_faces/frames", tmp_path, manual)


@pytest.mark.parametrize("line", ["t_one.avi 1 2 3", "t_one.avi 1 2 3 x", "t_one.avi 1 2 3 4 5"])
def test_a_malformed_box_is_refused_by_line(tmp_path, line):
    (tmp_path / "rect.txt").write_text(f"a.avi 1 2 3 4\n{line}\n")
    with pytest.raises(
        InputError, match=r"rect.txt: line 2 is .*, expected 'name.avi x1 y1 x2 y2'"
    ):
        faces.read_boxes(tmp_path / "rect.txt")


def test_a_changed_list_of_moments_is_refused(archives, tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    for path in archives.glob("*.t*"):
        shutil.copy(path, manual)
    with (manual / "video_info_test.txt").open("a") as file:
        file.write("more 1 2 3\n")
    with pytest.raises(InputError, match=r"video_info_test.txt: SHA-256 .*, expected"):
        build("gif_moments/frames", tmp_path, manual)


def test_other_numbers_of_frames_are_reported(archives, tmp_path):
    lists = {"video_info_train.txt": "video height width nframe\nabc_1_2.mp4 180 320 12\n"}
    manual = tmp_path / "manual"
    shutil.copytree(archives / "moments_content", manual)
    for name in ("video_info_valid.txt", "video_info_test.txt"):
        lists[name] = (archives / name).read_text()
    sums = {}
    for name, text in lists.items():
        (manual / name).write_text(text)
        sums[name] = hashlib.sha256(text.encode()).hexdigest()
    files = {s: (n, sums[n]) for s, (n, _) in moments.Builder.LISTS.items()}
    with mock.patch.object(moments.Builder, "LISTS", files):
        builder = build("gif_moments/frames", tmp_path, manual)
    report = json.loads((builder.data_path / "report.json").read_text())
    assert report["differs"] == [
        "train: 1 videos, expected 2",
        "train: 1 videos have other numbers of frames than published, such as abc_1_2: 11, "
        "expected 12",
    ]


def test_without_archive_or_server_the_instructions_say_what_to_put_where(tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    download = "tensorflow_datasets.core.download.DownloadManager.download"
    with mock.patch(download, side_effect=ConnectionError("no route")):
        with pytest.raises(InputError, match="doesn't answer .*Put FaceForensics_AVIs.tar .3.7 GB"):
            build("gif_faces/frames", tmp_path, manual)


def test_reading_what_is_not_built_says_so(tmp_path):
    builder = tfds.builder("gif_open/frames", data_dir=str(tmp_path))
    with pytest.raises(InputError, match="holds no split 'train'; build the data set"):
        reading.ClipReader(builder, "train")


def test_the_command_builds_and_says_what_is_wrong_in_one_line(tmp_path, capsys):
    miniature.make_open(tmp_path / "own")
    common = ["--manual-dir", str(tmp_path / "own"), "--data-dir", str(tmp_path / "data")]
    assert build_command.main(["gif_open/frames", *common]) == 0
    assert "train: 4 examples, 1 shards" in capsys.readouterr().out
    recipe = json.loads((tmp_path / "data/gif_open/frames/1.1.0/motion.json").read_text())
    assert recipe["random_scene"]["max_motion"] == 30
    for name, message in {
        "gif_open/g0_dither": "g0_dither: expected 2 to 256 colours, got 0",
        "gif_other": "gif_other: no such data set, expected one of gif_faces, gif_moments",
        "gif_faces": "Put FaceForensics_AVIs.tar",
    }.items():
        download = "tensorflow_datasets.core.download.DownloadManager.download"
        with mock.patch(download, side_effect=ConnectionError("no route")):
            assert build_command.main([name, *common]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: ") and message in error
    assert build_command.main(["gif_open", "--manual-dir", str(tmp_path / "none")]) == 1
    assert "none: no such folder, given as --manual-dir" in capsys.readouterr().err
