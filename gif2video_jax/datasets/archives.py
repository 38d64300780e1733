"""Finds the authors' archives: where the user put them, or on the authors' server."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etils import epath

from gif2video_jax.datasets.clips import VideoItem
from gif2video_jax.errors import InputError


def md5_of(path: Path) -> str:
    """MD5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def manual_folder(dl_manager: Any) -> Path | None:
    """The folder of manual downloads, or None if there is none."""
    try:
        folder = Path(dl_manager.manual_dir)
    except (AssertionError, OSError):  # TFDS asserts that the folder exists
        return None
    return folder if folder.is_dir() else None


def find_folder(
    dl_manager: Any, *, folder: str, archive: str, md5: str, url: str, instructions: str
) -> Path:
    """Finds an extracted archive, or extracts or downloads it.

    Looks for the folder in the folder of manual downloads, then for the archive there, which must
    have the right sum, and then downloads.

    Args:
      dl_manager: TFDS's.
      folder: at the archive's top.
      archive: its name.
      md5: its sum.
      url: where it was served.
      instructions: what to put where if all fails.

    Raises:
      InputError: if it can't be had, or is another or a partial one.
    """
    manual = manual_folder(dl_manager)
    if manual is not None and (manual / folder).is_dir():
        return manual / folder
    if manual is not None and (manual / archive).is_file():
        path = manual / archive
    else:
        try:
            path = Path(dl_manager.download(url))
        except Exception as error:  # of many kinds: no network, no server, a moved page
            raise InputError(f"{archive}: {url} doesn't answer ({error}). {instructions}") from None
    found = md5_of(path)
    if found != md5:
        raise InputError(
            f"{path}: MD5 {found} of {path.stat().st_size} bytes, expected {md5} of the whole "
            f"{archive}; it is partial or another file. {instructions}"
        )
    extracted = Path(dl_manager.extract(epath.Path(path))) / folder
    if not extracted.is_dir():
        raise InputError(f"{path}: holds no folder {folder}/, expected it at the top")
    return extracted


def require_files(folder: Path, names: list[str], *, source: str, allow_missing: bool = False):
    """Those of the files that are in a folder; all must be, unless some may be missing.

    Raises:
      InputError: if some or all are missing.
    """
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    missing = [name for name in names if name not in present]
    if missing and (not allow_missing or len(missing) == len(names)):
        raise InputError(
            f"{folder}: {len(missing)} of {len(names)} videos are missing, such as {missing[0]}; "
            f"expected all of {source}"
        )
    return [name for name in names if name in present]


def video_items(
    folder: Path,
    facts: Mapping[str, Mapping[str, Any]],
    *,
    source: str,
    allow_missing: bool = False,
) -> list[VideoItem]:
    """The videos of an extracted archive, in the order of `facts`.

    Args:
      folder: of the files.
      facts: by each file's name, what else is known of it: fields of `VideoItem`.
      source: see `require_files`.
      allow_missing: see `require_files`.

    Raises:
      InputError: see `require_files`.
    """
    names = require_files(folder, list(facts), source=source, allow_missing=allow_missing)
    return [
        VideoItem(
            id=Path(name).stem,
            path=str(folder / name),
            bytes=(folder / name).stat().st_size,
            **facts[name],
        )
        for name in names
    ]
