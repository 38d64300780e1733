"""Builds data sets from miniatures of the real archives, for the tests of builders."""

import contextlib
import hashlib
from pathlib import Path
from unittest import mock

import tensorflow_datasets as tfds

from gif2video_jax.datasets import reading
from gif2video_jax.datasets.gif_faces import gif_faces_dataset_builder as faces
from gif2video_jax.datasets.gif_moments import gif_moments_dataset_builder as moments
from tests.datasets import miniature

COUNTS = {
    "faces": {"train": (2, 27), "validation": (1, 5)},
    "moments": {"train": (2, None), "validation": (1, None), "test": (1, None)},
}


def make_faces(folder):
    """Makes the archive in miniature; returns patches of what its builder expects."""
    md5 = miniature.make_faces(folder)
    return [
        mock.patch.object(faces.Builder, "MD5", md5),
        mock.patch.object(faces.Builder, "PUBLISHED", COUNTS["faces"]),
    ]


def make_moments(folder):
    """The same for moments, with the lists of their splits."""
    md5, sums = miniature.make_moments(folder)
    names = {"train": "train", "validation": "valid", "test": "test"}
    lists = {s: (f"video_info_{name}.txt", sums[name]) for s, name in names.items()}
    return [
        mock.patch.object(moments.Builder, "MD5", md5),
        mock.patch.object(moments.Builder, "PUBLISHED", COUNTS["moments"]),
        mock.patch.object(moments.Builder, "LISTS", lists),
    ]


@contextlib.contextmanager
def miniatures(folder):
    """Both archives in a folder; their builders expect just these."""
    with contextlib.ExitStack() as patched:
        for patch in (*make_faces(folder), *make_moments(folder)):
            patched.enter_context(patch)
        yield folder


def build(name, data_dir, manual_dir, **options):
    builder = tfds.builder(name, data_dir=str(data_dir))
    config = tfds.download.DownloadConfig(manual_dir=str(manual_dir), **options)
    builder.download_and_prepare(download_config=config)
    return builder


def examples(builder):
    """All examples of all splits: files of other processes may order fields otherwise."""
    found = []
    for split in builder.info.splits:
        clips = reading.ClipReader(builder, split)
        for number, video in enumerate(clips.video_ids):
            content = clips.video(number)
            found += [video, *(content[key].tobytes() for key in sorted(content))]
    return found


def record_files(builder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(builder.data_path).glob("*array_record*")
    }
