"""Packed corpora, read from miniature ZIP files that the tests make themselves."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training.corpus import PackedCorpus
from tests.training.miniature_corpus import png, smooth_picture, write_corpus


@pytest.fixture(scope="module")
def corpus_path(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.zip")


def failure(path, **choice) -> str:
    with pytest.raises(InputError) as caught:
        PackedCorpus(path, **({"split": "train", "kind": "still"} | choice))
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def zip_with_manifest(path, manifest: str, **members: bytes):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", manifest)
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "split, kind, count", [("train", "still", 3), ("validation", "still", 1), ("train", "clip", 1)]
)
def test_items_are_those_of_the_split_and_kind(corpus_path, split, kind, count):
    items = PackedCorpus(corpus_path, split=split, kind=kind).items
    assert [(item.split, item.kind) for item in items] == [(split, kind)] * count


def test_frames_are_the_pictures_that_were_packed(corpus_path):
    stills = PackedCorpus(corpus_path, split="train", kind="still")
    for index, item in enumerate(stills.items):
        for _ in range(2):  # from the file, then from memory
            np.testing.assert_array_equal(stills.frame(item), smooth_picture(index, 120, 140))
    clips = PackedCorpus(corpus_path, split="train", kind="clip")
    for index in range(2):
        np.testing.assert_array_equal(
            clips.frame(clips.items[0], index), smooth_picture(100 + index, 120, 140)
        )


def test_batches_need_neither_tfds_nor_tensorflow_nor_grain_nor_jax(corpus_path):
    """What a data worker of an accelerator image has: NumPy, Pillow and the packed file."""
    code = """
import sys
for name in ("tensorflow", "tensorflow_datasets", "grain", "array_record", "jax"):
    sys.modules[name] = None  # an import of it fails
from gif2video_jax.training import inputs
recipe = "32/minimum_variance/floyd_steinberg"
maker = inputs.make_examples(
    "dequantization", split="train", seed=0, source=f"packed:{sys.argv[1]}", recipe=recipe
)
batches = inputs.make_batches(maker, examples_per_batch=2, num_workers=0)
print(next(batches)["truth"].shape)
"""
    command = [sys.executable, "-c", code, str(corpus_path)]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.stdout.strip() == "(8, 96, 96, 3)", made.stderr


def test_near_duplicates_are_drawn_as_one_picture(tmp_path):
    """Nine items of one group and one of another: each group is half of the draws."""
    items = [
        {"kind": "still", "split": "train", "group": "many" if i < 9 else "one", "path": str(i)}
        for i in range(10)
    ]
    path = zip_with_manifest(tmp_path / "c.zip", json.dumps({"items": items}))
    corpus = PackedCorpus(path, split="train", kind="still")
    rng = np.random.default_rng(0)
    drawn = [corpus.random_item(rng).paths[0] for _ in range(1000)]
    # Four standard deviations of a fair coin; drawn evenly by item it would be about 100.
    assert abs(drawn.count("9") - 500) < 64
    assert set(drawn) == {str(i) for i in range(10)}


def test_photographs_are_drawn_as_often_as_asked_for(tmp_path):
    items = [
        {"kind": "still", "split": "train", "group": str(i), "path": str(i), "style": style}
        for i, style in enumerate(["photograph", *["drawing"] * 9])
    ]
    path = zip_with_manifest(tmp_path / "c.zip", json.dumps({"items": items}))
    corpus = PackedCorpus(path, split="train", kind="still")
    rng = np.random.default_rng(0)
    drawn = [corpus.random_item(rng, photograph_share=0.7).paths[0] for _ in range(1000)]
    # Four standard deviations; drawn evenly it would be about 100.
    assert abs(drawn.count("0") - 700) < 58
    assert set(drawn) == {str(i) for i in range(10)}


def test_a_corpus_of_one_kind_gives_what_it_has(tmp_path):
    items = [{"kind": "still", "split": "train", "group": str(i), "path": str(i)} for i in range(3)]
    path = zip_with_manifest(tmp_path / "c.zip", json.dumps({"items": items}))
    corpus = PackedCorpus(path, split="train", kind="still")
    rng = np.random.default_rng(0)
    drawn = {corpus.random_item(rng, photograph_share=1.0).paths[0] for _ in range(50)}
    assert drawn == {"0", "1", "2"}


def test_a_missing_file_says_how_to_make_one(tmp_path):
    assert "open_corpus pack" in failure(tmp_path / "none.zip")


def test_files_that_are_no_corpus_are_named(tmp_path):
    text = tmp_path / "text.zip"
    text.write_text("no archive")
    assert "not a packed corpus" in failure(text)
    assert "not a packed corpus" in failure(tmp_path)
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w"):
        pass
    assert "manifest.json" in failure(empty)


def test_a_truncated_file_is_named(corpus_path, tmp_path):
    short = tmp_path / "short.zip"
    short.write_bytes(corpus_path.read_bytes()[:-100])
    assert "not a packed corpus" in failure(short)


@pytest.mark.parametrize(
    "manifest", ["{", "[]", "{}", '{"items": 3}', '{"items": [{"kind": "still"}]}', "\xff"]
)
def test_broken_manifests_are_named(tmp_path, manifest):
    path = zip_with_manifest(tmp_path / "broken.zip", manifest)
    assert "not a packed corpus" in failure(path)


def test_an_empty_split_is_named(corpus_path):
    assert "'test'" in failure(corpus_path, split="test")
    assert "clip" in failure(corpus_path, split="validation", kind="clip")


@pytest.mark.parametrize("damage", ["missing", "no picture", "cut"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path, damage):
    items = [{"kind": "still", "split": "train", "group": "g", "path": "a.png"}]
    members = {
        "missing": {},
        "no picture": {"a.png": b"text"},
        "cut": {"a.png": png(smooth_picture(0, 64, 64))[:200]},
    }[damage]
    path = zip_with_manifest(tmp_path / "c.zip", json.dumps({"items": items}), **members)
    corpus = PackedCorpus(path, split="train", kind="still")
    with pytest.raises(InputError) as caught:
        corpus.frame(corpus.items[0])
    message = str(caught.value)
    assert "\n" not in message and str(path) in message and "a.png" in message
