"""Sources of pictures by name. TFDS sources are tested in test_inputs_tfds.py."""

import pickle

import numpy as np
import pytest
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.media import open_video, open_writer
from gif2video_jax.training import sources
from gif2video_jax.training.corpus import PackedCorpus
from gif2video_jax.training.joined_source import JoinedSource
from gif2video_jax.training.sources import FolderSource, open_source
from tests.training.miniature_corpus import smooth_picture, write_corpus

HEIGHT, WIDTH = 48, 64


def write_clip(path, num_frames):
    """Frames whose colour says their number."""
    with open_writer(path, width=WIDTH, height=HEIGHT, rate=10, crf=4) as writer:
        for number in range(num_frames):
            frame = smooth_picture(5, HEIGHT, WIDTH) // 2
            frame[..., 1] = 3 * number
            writer.write(frame)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("own")
    for split, seeds in {"train": (0, 1, 2), "validation": (3,)}.items():
        (top / split).mkdir()
        for seed in seeds:
            picture = Image.fromarray(smooth_picture(seed, HEIGHT, WIDTH))
            picture.save(top / split / f"picture{'abcd'[seed]}.png")
    write_clip(top / "train" / "walk.mp4", 70)
    return top


def test_a_folder_has_its_stills_by_split(folder):
    source = open_source(f"folder:{folder}", split="train", kind="still")
    assert sorted(item.paths[0] for item in source.items) == [
        "train/picturea.png",
        "train/pictureb.png",
        "train/picturec.png",
    ]
    for seed, item in enumerate(sorted(source.items, key=lambda item: item.paths)):
        np.testing.assert_array_equal(source.frame(item), smooth_picture(seed, HEIGHT, WIDTH))
    assert len(open_source(f"folder:{folder}", split="validation", kind="still").items) == 1
    assert not source.has_gifs


def test_a_folders_clip_is_runs_of_its_frames(folder):
    source = open_source(f"folder:{folder}", split="train", kind="clip")
    assert [(item.paths[1], item.num_frames) for item in source.items] == [("0", 32), ("32", 32)]
    with open_video(folder / "train" / "walk.mp4") as video:
        wanted = np.stack(list(video))
    for item, first in zip(source.items, (0, 32), strict=True):
        found = source.frames(item, range(0, 32, 3))
        difference = found.astype(int) - wanted[first : first + 32 : 3]
        assert np.abs(difference).mean() < 1.5  # JPEG of quality 95
        # The number that each frame's green says, but for the coding's error.
        assert np.abs(found[..., 1].mean((1, 2)) / 3 - np.arange(first, first + 32, 3)).max() < 0.7


def test_long_clips_give_runs_evenly(folder, monkeypatch):
    monkeypatch.setattr(sources, "RUN_FRAMES", 10)
    monkeypatch.setattr(sources, "MAX_RUNS", 3)
    source = FolderSource(str(folder), split="train", kind="clip")
    assert [item.paths[1] for item in source.items] == ["0", "20", "40"]
    assert {item.num_frames for item in source.items} == {10}


def test_clips_are_forgotten_where_memory_is_short_and_come_back_alike(folder, monkeypatch):
    monkeypatch.setattr(sources, "_KEPT_BYTES", 0)
    source = FolderSource(str(folder), split="train", kind="clip")
    item = source.items[1]
    first = source.frame(item, 5)
    source._clips.clear()
    np.testing.assert_array_equal(source.frame(item, 5), first)


def test_a_packed_corpus_is_named_or_a_path(tmp_path):
    path = write_corpus(tmp_path / "corpus.zip")
    for name in (f"packed:{path}", str(path)):
        source = open_source(name, split="train", kind="still")
        assert isinstance(source, PackedCorpus) and len(source.items) == 3


def test_sources_pickle_for_workers(folder, tmp_path):
    path = write_corpus(tmp_path / "corpus.zip")
    for name in (f"folder:{folder}", f"packed:{path}"):
        for kind in ("still", "clip"):
            source = open_source(name, split="train", kind=kind)
            copy = pickle.loads(pickle.dumps(source))
            assert copy.items == source.items
            one, two = (s.frame(s.items[-1], 0) for s in (source, copy))
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "name, message",
    [
        ("ftp:corpus", "ftp:corpus: no such source of data, expected packed:FILE, folder:DIR or"),
        ("folder:/nowhere", "/nowhere: no such folder"),
        ("/nowhere.zip", "/nowhere.zip: no such packed corpus"),
        ("packed:/nowhere.zip", "/nowhere.zip: no such packed corpus"),
    ],
)
def test_what_is_not_there_is_named(name, message):
    with pytest.raises(InputError, match=message):
        open_source(name, split="train", kind="still")


def test_a_folder_without_that_kind_is_named(folder):
    with pytest.raises(InputError, match="holds no clip of the split 'validation'"):
        open_source(f"folder:{folder}", split="validation", kind="clip")


def test_stored_gifs_are_refused_where_there_are_none(folder):
    source = open_source(f"folder:{folder}", split="train", kind="still")
    with pytest.raises(InputError, match="stores no GIFs"):
        source.gif_frames(source.items[0], range(1))


def test_joined_sources_give_what_each_of_them_gives(tmp_path):
    paths = [
        write_corpus(tmp_path / f"{name}.zip", size=(40, 50 + i)) for i, name in enumerate("ab")
    ]
    parts = [PackedCorpus(path, split="train", kind="still") for path in paths]
    joined = pickle.loads(pickle.dumps(JoinedSource(parts)))
    assert len(joined.items) == sum(len(part.items) for part in parts) and not joined.has_gifs
    wanted = [part.frames(item, range(1)) for part in parts for item in part.items]
    for item, frames in zip(joined.items, wanted, strict=True):
        np.testing.assert_array_equal(joined.frames(item, range(1)), frames)
        np.testing.assert_array_equal(joined.frame(item), frames[0])
    widths = {joined.frame(joined.random_item(np.random.default_rng(i))).shape[1] for i in range(9)}
    assert widths == {frames.shape[2] for frames in wanted}
    with pytest.raises(InputError, match="a.zip: stores no GIFs"):
        joined.gif_frames(joined.items[0], range(1))


def test_configurations_of_a_data_set_are_joined_by_name(monkeypatch, tmp_path):
    corpus = write_corpus(tmp_path / "corpus.zip")
    opened = []

    def opens(name, *, split, kind):
        opened.append(name)
        return PackedCorpus(corpus, split=split, kind=kind)

    monkeypatch.setattr(sources, "TfdsSource", opens)
    source = open_source("tfds:gif_faces/g32_dither+g32_nodither", split="train", kind="still")
    assert opened == ["gif_faces/g32_dither", "gif_faces/g32_nodither"]
    assert isinstance(source, JoinedSource)
    assert not isinstance(
        open_source("tfds:gif_faces/g32_dither", split="train", kind="still"), JoinedSource
    )
