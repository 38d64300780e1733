"""Fetches the open corpus: downloads its packages, verifies the files and lays them out."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from gif2video_jax.datasets import packages
from gif2video_jax.datasets.corpus_list import (
    SPLITS,
    CorpusItem,
    ListedFile,
    OpenCorpus,
    Package,
    open_corpus_list,
    write_manifest,
)
from gif2video_jax.errors import InputError


def fetch(
    output: str | os.PathLike,
    *,
    from_folder: str | os.PathLike | None = None,
    splits: Sequence[str] = SPLITS,
    corpus: OpenCorpus | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[CorpusItem]:
    """Lays out the open corpus in a folder, with a `corpus.json` of splits, groups and licences.

    Stills lie in `SPLIT/stills/PACKAGE/`, clips in `SPLIT/clips/PACKAGE/`. Files that are already
    there and right are kept, and each new one appears whole, so a stopped fetch goes on.

    Args:
      output: the folder.
      from_folder: has the packages (.deb, .whl) already; nothing is downloaded.
      splits: which to fetch, of "train", "validation" and "test".
      corpus: the list; the package's own by default.
      report: called with a line for each package.

    Raises:
      InputError: if a package can't be had, or a file of it differs from the list.
    """
    corpus = corpus or open_corpus_list()
    output = Path(output)
    wanted = [file for file in corpus.files if file.split in splits]
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="open-corpus-") as temporary:
        for package in corpus.packages:
            files = [file for file in wanted if file.package == package.name]
            absent = [file for file in files if not _is_right(output / file.place, file)]
            if absent:
                archive = _get(package, Path(temporary), from_folder)
                _unpack(package, archive, absent, output)
                archive.unlink() if from_folder is None else None
            if files:
                report(f"{package.name}: {len(files)} files, {len(absent)} new")
    items = [
        CorpusItem(
            path=file.place,
            kind=file.kind,
            split=file.split,
            group=file.group,
            style=file.style,
            licence=file.licence,
            author=file.author,
            background=file.background,
        )
        for file in wanted
    ]
    write_manifest(output, items)
    return items


def _get(package: Package, temporary: Path, from_folder: str | os.PathLike | None) -> Path:
    if from_folder is None:
        return packages.download(package, temporary)
    return packages.find(package, Path(from_folder))


def _is_right(path: Path, file: ListedFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def _unpack(package: Package, archive: Path, files: list[ListedFile], output: Path) -> None:
    with packages.open_package(archive) as read:
        for file in files:
            try:
                content = read(file.path)
            except KeyError:
                raise InputError(
                    f"{archive.name}: holds no {file.path}, expected {package.name} "
                    f"{package.version}"
                ) from None
            found = hashlib.sha256(content).hexdigest()
            if found != file.sha256:
                raise InputError(
                    f"{archive.name}: {file.path} has SHA-256 {found}, expected {file.sha256} "
                    f"of {package.name} {package.version}"
                )
            target = output / file.place
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".partial")
            partial.write_bytes(content)
            os.replace(partial, target)
