"""The open corpus: its list, fetching from packages, packing; packages are made by the tests."""

import dataclasses
import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from gif2video_jax.datasets import corpus_list, near_duplicates, open_corpus, packages
from gif2video_jax.datasets.corpus_fetch import fetch
from gif2video_jax.datasets.corpus_list import (
    ListedFile,
    OpenCorpus,
    Package,
    open_corpus_list,
    read_corpus,
)
from gif2video_jax.datasets.corpus_pack import pack
from gif2video_jax.datasets.pictures import load_still
from gif2video_jax.errors import InputError
from gif2video_jax.media import open_writer
from tests.datasets.test_qt_resources import VERSION_1


def picture(seed, height=60, width=80):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def make_deb(path, files):
    """A Debian package as deb(5) describes: an ar archive of three members."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo("./" + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", b"odd"),
        ("data.tar.xz", data.getvalue()),
    ]
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in members:
            header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
            file.write(header.encode() + content + b"\n" * (len(content) % 2))


def make_wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.fixture
def small_corpus(tmp_path):
    """A corpus of two packages, one of each client, and its list."""
    contents = {
        ("walls", "usr/share/lake.png"): encoded(picture(1)),
        ("walls", "usr/share/lake-dark.png"): encoded(picture(2)),
        ("walls", "usr/share/hill.png"): encoded(picture(3)),
        ("some-data", "some_data/cat.png"): encoded(picture(4)),
    }
    splits = ["train", "train", "validation", "test"]
    files = tuple(
        ListedFile(
            package=package,
            path=path,
            name=f"{package}/{path.split('/')[-1]}",
            split=split,
            kind="still",
            style="photograph",
            group=f"{package}/{path.split('/')[-1][:4]}",
            licence="CC0-1.0",
            author="the test",
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
        )
        for ((package, path), content), split in zip(contents.items(), splits, strict=True)
    )
    folder = tmp_path / "packages"
    folder.mkdir()
    for package, make, name in (
        ("walls", make_deb, "walls_1.0-1_all.deb"),
        ("some-data", make_wheel, "some_data-2.0-py3-none-any.whl"),
    ):
        make(folder / name, {path: c for (p, path), c in contents.items() if p == package})
    listed = OpenCorpus(
        packages=(
            Package("walls", "apt", "1.0-1", "the test"),
            Package("some-data", "pip", "2.0", "the test"),
        ),
        files=files,
        skipped=(),
        notice=(),
    )
    return listed, folder


# --- the list


def test_the_list_names_only_the_packages_that_were_chosen():
    train = {"gnome-backgrounds", "mate-backgrounds", "plasma-workspace-wallpapers"}
    train |= {"lomiri-wallpapers-20.04", "lomiri-wallpapers-16.04", "opencv-doc"}
    train |= {"gcompris-qt-data", "palapeli-data"}
    files = open_corpus_list().files
    assert {f.package for f in files if f.split != "test"} == train
    assert [f.name for f in files if f.package == "opencv-doc"] == ["opencv-doc/vtest.avi"]
    test = {f.name.split("/")[1] for f in files if f.split == "test"}
    assert test == {
        *("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "china.jpg", "flower.jpg"),
        *("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4"),
    }


def test_a_group_lies_in_one_split_and_every_file_has_its_facts():
    listed = open_corpus_list()
    splits: dict[str, set[str]] = {}
    for file in listed.files:
        splits.setdefault(file.group, set()).add(file.split)
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) and file.bytes > 0
        assert file.licence and file.author and file.split in corpus_list.SPLITS
        assert "screenshot" not in file.path and not file.path.endswith(".svg")
    assert all(len(found) == 1 for found in splits.values())
    assert len({file.place for file in listed.files}) == len(listed.files)
    assert {file.package for file in listed.files} == {p.name for p in listed.packages}


def test_validation_has_fifteen_photographs_and_four_drawings():
    files = [file for file in open_corpus_list().files if file.split == "validation"]
    assert len({file.group for file in files if file.style == "photograph"}) == 15
    assert len({file.group for file in files if file.style == "drawing"}) == 4


# --- fetching


def test_fetch_lays_out_splits_and_kinds_and_keeps_what_is_right(small_corpus, tmp_path):
    listed, folder = small_corpus
    lines = []
    out = tmp_path / "corpus"
    fetch(out, from_folder=folder, corpus=listed)
    fetch(out, from_folder=tmp_path, corpus=listed, report=lines.append)  # needs no package
    assert lines == ["walls: 3 files, 0 new", "some-data: 1 files, 0 new"]
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*") if p.is_file())
    assert found == [
        "corpus.json",
        "test/stills/some-data/cat.png",
        "train/stills/walls/lake-dark.png",
        "train/stills/walls/lake.png",
        "validation/stills/walls/hill.png",
    ]
    items = read_corpus(out)
    assert [item.split for item in items] == ["train", "train", "validation", "test"]
    assert items[0].group == items[1].group != items[2].group
    assert (out / "train/stills/walls/lake.png").read_bytes() == encoded(picture(1))


def test_fetch_repairs_a_damaged_file(small_corpus, tmp_path):
    listed, folder = small_corpus
    fetch(tmp_path / "c", from_folder=folder, corpus=listed)
    damaged = tmp_path / "c/train/stills/walls/lake.png"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    fetch(tmp_path / "c", from_folder=folder, corpus=listed)
    assert damaged.read_bytes() == encoded(picture(1))


def test_fetch_of_some_splits_takes_only_those(small_corpus, tmp_path):
    listed, folder = small_corpus
    items = fetch(tmp_path / "c", from_folder=folder, corpus=listed, splits=["test"])
    assert [item.path for item in items] == ["test/stills/some-data/cat.png"]


def test_a_file_that_differs_from_the_list_is_refused_by_name(small_corpus, tmp_path):
    listed, folder = small_corpus
    wrong = dataclasses.replace(listed.files[1], sha256="0" * 64)
    listed = dataclasses.replace(listed, files=(listed.files[0], wrong))
    with pytest.raises(InputError, match="walls_1.0-1_all.deb: usr/share/lake-dark.png has SHA"):
        fetch(tmp_path / "c", from_folder=folder, corpus=listed)
    assert (tmp_path / "c/train/stills/walls/lake.png").exists(), "what was right stays"


def test_a_missing_package_is_asked_for_by_name_and_version(small_corpus, tmp_path):
    listed, folder = small_corpus
    (folder / "some_data-2.0-py3-none-any.whl").unlink()
    with pytest.raises(InputError, match=r"holds no some_data-\*.whl, .*some-data 2.0"):
        fetch(tmp_path / "c", from_folder=folder, corpus=listed)


@pytest.mark.parametrize("content", [b"", b"not a package", b"!<arch>\n"])
@pytest.mark.parametrize("name", ["walls_1.0-1_all.deb", "some_data-2.0-py3-none-any.whl"])
def test_a_damaged_package_is_refused_by_name(small_corpus, tmp_path, name, content):
    listed, folder = small_corpus
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        fetch(tmp_path / "c", from_folder=folder, corpus=listed)


def test_files_inside_qt_resources_are_read(tmp_path):
    resource = VERSION_1
    make_deb(tmp_path / "game_1_all.deb", {"usr/a.rcc": resource, "usr/b.rcc": resource[:99]})
    with packages.open_package(tmp_path / "game_1_all.deb") as read:
        assert read("usr/a.rcc!pictures/a.txt") == b"a short text"
        assert read("usr/a.rcc") == resource
        with pytest.raises(KeyError):
            read("usr/a.rcc!pictures/b.txt")
        with pytest.raises(KeyError):
            read("usr/c.rcc!pictures/a.txt")
    with (
        pytest.raises(InputError, match=r"game_1_all\.deb: damaged .*resource"),
        packages.open_package(tmp_path / "game_1_all.deb") as read,
    ):
        read("usr/b.rcc!pictures/a.txt")


def test_packages_are_downloaded_by_their_clients(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: f"/bin/{name}")
    commands = []

    def run(command, *, cwd, **_):
        commands.append(command)
        if "=" in command[-1]:  # the listed version is gone, the newest is there
            return subprocess.CompletedProcess(command, 1, "", "E: not found")
        (cwd / "walls_1.1_all.deb").touch()
        (cwd / "some_data-3.0-py3-none-any.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    walls = packages.download(Package("walls", "apt", "1.0-1", ""), tmp_path, run=run)
    data = packages.download(Package("some-data", "pip", "2.0", ""), tmp_path, run=run)
    assert (walls.name, data.name) == ("walls_1.1_all.deb", "some_data-3.0-py3-none-any.whl")
    assert commands[0][:1] == ["/bin/apt-get"] and commands[0][-2:] == ["download", "walls=1.0-1"]
    assert commands[2][1:4] == ["-m", "pip", "download"] and commands[2][-1] == "some-data==2.0"


def test_a_failed_download_says_why_and_what_else_works(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: f"/bin/{name}")

    def run(command, **_):
        return subprocess.CompletedProcess(command, 100, "", "W: x\nE: Unable to locate\n")

    with pytest.raises(InputError, match=r"walls: apt .*E: Unable to locate.*--from-folder"):
        packages.download(Package("walls", "apt", "1.0-1", ""), tmp_path, run=run)
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"walls: needs apt-get.*--from-folder"):
        packages.download(Package("walls", "apt", "1.0-1", ""), tmp_path, run=run)


# --- any folder


def test_sizes_and_colourings_of_one_picture_share_a_name():
    names = ["a/lake.png", "b/lake_1920x1080.jpg", "lake-dark.webp", "Lake@2x.png", "lake (2).jpg"]
    assert len({near_duplicates.plain_name(name) for name in names}) == 1
    assert near_duplicates.plain_name("lake.png") != near_duplicates.plain_name("lakes.png")
    assert near_duplicates.plain_name("walk/0001.png") == near_duplicates.plain_name(
        "walk/0002.png"
    )
    assert near_duplicates.plain_name("walk/0001.png") != near_duplicates.plain_name("run/0001.png")


def test_scaled_and_recoded_pictures_share_a_group_and_others_do_not(tmp_path):
    for seed in range(12):
        image = picture(seed, 120, 160)
        image.save(tmp_path / f"one{chr(97 + seed)}.png")
        image.resize((96, 72)).save(tmp_path / f"other{chr(97 + seed)}.jpg", quality=60)
    (tmp_path / "notes.txt").write_text("no picture")
    items = read_corpus(tmp_path)
    assert len(items) == 24
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item.path)
    assert sorted(map(len, groups.values())) == [2] * 12
    assert all(one[3:4] == other[5:6] for one, other in groups.values())


def test_pictures_without_detail_are_told_apart(tmp_path):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    across = np.broadcast_to(ramp, (64, 64))
    for name, grey in {"up": across.T[::-1], "down": across.T, "left": across[:, ::-1]}.items():
        Image.fromarray(np.ascontiguousarray(grey)).save(tmp_path / f"{name}.png")
    assert len({item.group for item in read_corpus(tmp_path)}) == 3


def test_a_folder_is_split_the_same_way_each_time_and_groups_stay_whole(tmp_path):
    for seed in range(20):
        picture(seed).save(tmp_path / f"pic{chr(97 + seed)}.png")
        picture(seed, 30, 40).save(tmp_path / f"pic{chr(97 + seed)}_40x30.png")
    items = read_corpus(tmp_path)
    assert items == read_corpus(tmp_path)
    sides: dict[str, set[str]] = {}
    for item in items:
        sides.setdefault(item.group, set()).add(item.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert {item.split for item in items} == {"train", "validation"}


def test_folders_named_after_splits_decide(tmp_path):
    for place in ("train/a.png", "validation/b.png", "test/c.png"):
        (tmp_path / place).parent.mkdir()
        picture(len(place)).save(tmp_path / place)
    assert {i.path: i.split for i in read_corpus(tmp_path)} == {
        "train/a.png": "train",
        "validation/b.png": "validation",
        "test/c.png": "test",
    }


def test_splits_by_hash_keep_their_share():
    splits = near_duplicates.hash_splits(f"group {n}" for n in range(2000))
    assert 150 < list(splits.values()).count("validation") < 250
    assert near_duplicates.hash_splits(["only"]) == {"only": "train"}
    assert sorted(near_duplicates.hash_splits(["a", "b"]).values()) == ["train", "validation"]


def test_a_missing_or_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match="no such folder, expected one with pictures or videos"):
        read_corpus(tmp_path / "none")
    with pytest.raises(InputError, match=r"holds no pictures or videos, expected \.jpg"):
        read_corpus(tmp_path)
    (tmp_path / "corpus.json").write_text("{")
    with pytest.raises(InputError, match="corpus.json: not a corpus list"):
        read_corpus(tmp_path)


# --- loading


def test_transparent_pictures_lie_on_their_gradient(tmp_path):
    Image.new("RGBA", (3, 5), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    image = load_still(tmp_path / "clear.png", background=("vertical", "#000000", "#0000c8"))
    np.testing.assert_array_equal(np.asarray(image)[:, 0, 2], [0, 50, 100, 150, 200])
    plain = load_still(tmp_path / "clear.png")
    assert plain.getpixel((0, 0)) == (128, 128, 128)


def test_pictures_only_ever_get_smaller(tmp_path):
    picture(0, 60, 80).save(tmp_path / "p.jpg")
    assert load_still(tmp_path / "p.jpg", max_side=40).size == (40, 30)
    assert load_still(tmp_path / "p.jpg", max_side=400).size == (80, 60)
    (tmp_path / "p.jpg").write_bytes(b"no")
    with pytest.raises(InputError, match=r"p\.jpg: not a picture that can be read"):
        load_still(tmp_path / "p.jpg")


# --- packing


def manifest(path):
    with zipfile.ZipFile(path) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        return json.loads(archive.read("manifest.json"))


def make_clip(path, frames=80):
    with open_writer(path, width=64, height=48, rate=25) as writer:
        for number in range(frames):
            writer.write(np.roll(np.asarray(picture(9, 48, 64)), 2 * number, axis=1))


def test_a_packed_corpus_holds_no_test_picture(small_corpus, tmp_path):
    listed, folder = small_corpus
    fetch(tmp_path / "c", from_folder=folder, corpus=listed)
    summary = pack(tmp_path / "c", tmp_path / "c.zip", max_side=40)
    content = manifest(tmp_path / "c.zip")
    assert summary.stills == 3 and content["version"] == 1
    assert [item["split"] for item in content["items"]] == ["train", "train", "validation"]
    first = content["items"][0]
    assert (first["width"], first["height"], first["licence"]) == (40, 30, "CC0-1.0")
    with zipfile.ZipFile(tmp_path / "c.zip") as archive:
        image = Image.open(io.BytesIO(archive.read(first["path"])))
        expected = picture(1).resize((40, 30), Image.Resampling.LANCZOS)
        assert np.abs(np.asarray(image, int) - np.asarray(expected)).mean() < 3


def test_packing_twice_gives_equal_files(small_corpus, tmp_path):
    listed, folder = small_corpus
    fetch(tmp_path / "c", from_folder=folder, corpus=listed)
    for name in ("1.zip", "2.zip"):
        pack(tmp_path / "c", tmp_path / name)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_clips_are_packed_whole_where_they_fit_and_as_runs_where_not(tmp_path):
    (tmp_path / "in").mkdir()
    make_clip(tmp_path / "in/walk.mp4", 100)
    whole = pack(tmp_path / "in", tmp_path / "whole.zip")
    assert (whole.clips, whole.clip_frames) == (1, 100)
    (item,) = manifest(tmp_path / "whole.zip")["items"]
    assert (item["kind"], item["rate"], item["frames"]) == ("clip", "25", 100)
    assert len(item["frame_paths"]) == 100
    part = pack(tmp_path / "in", tmp_path / "part.zip", max_megabytes=whole.bytes * 0.6e-6)
    items = manifest(tmp_path / "part.zip")["items"]
    assert part.bytes <= whole.bytes * 0.6
    assert [(i["start"], i["frames"]) for i in items] == [(32, 32), (96, 4)]
    with zipfile.ZipFile(tmp_path / "part.zip") as a, zipfile.ZipFile(tmp_path / "whole.zip") as b:
        assert a.read(items[0]["frame_paths"][1]) == b.read(item["frame_paths"][33])


def test_packing_keeps_the_bound_or_says_that_it_cannot(tmp_path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for n in range(5):
        noise = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"in/pic{chr(97 + n)}.png")
    summary = pack(tmp_path / "in", tmp_path / "p.zip", max_megabytes=0.3)
    assert summary.bytes <= 300_000 and summary.stills == 5
    with pytest.raises(InputError, match="MB at the least size, expected at most 0.01"):
        pack(tmp_path / "in", tmp_path / "q.zip", max_megabytes=0.01)
    assert not list(tmp_path.glob("q.zip*")), "nothing half written stays"


def test_unreadable_files_are_listed_and_skipped(tmp_path):
    (tmp_path / "in").mkdir()
    picture(0).save(tmp_path / "in/good.png")
    (tmp_path / "in/bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    (tmp_path / "in/bad.mp4").write_bytes(b"nonsense")
    lines = []
    summary = pack(tmp_path / "in", tmp_path / "p.zip", report=lines.append)
    assert summary.stills == 1 and len(summary.unreadable) == 2
    assert sum("bad.png" in line or "bad.mp4" in line for line in lines) == 2


# --- the command


def test_the_command_fetches_packs_and_reports(small_corpus, tmp_path, monkeypatch, capsys):
    listed, folder = small_corpus
    monkeypatch.setattr("gif2video_jax.datasets.corpus_fetch.open_corpus_list", lambda: listed)
    corpus, packed = str(tmp_path / "c"), str(tmp_path / "c.zip")
    assert open_corpus.main(["fetch", "--output", corpus, "--from-folder", str(folder)]) == 0
    assert "2 train stills" in capsys.readouterr().out
    assert open_corpus.main(["pack", "--input", corpus, "--output", packed]) == 0
    assert "3 stills, 0 clips of 0 frames" in capsys.readouterr().out
    assert open_corpus.main(["pack", "--input", corpus, "--output", packed]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {packed}: exists; say --overwrite") and error.count("\n") == 1
    with pytest.raises(SystemExit) as exit_:
        open_corpus.main(["pack"])
    assert exit_.value.code == 2


def test_the_command_lists_every_file_with_its_licence(capsys):
    assert open_corpus.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(open_corpus_list().files)
    assert "test/stills/scikit-image/chelsea.png\tCC0-1.0\tStefan van der Walt" in lines
