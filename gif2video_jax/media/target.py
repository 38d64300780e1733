"""Where output goes: it appears only when it is whole.

A file is written beside its final place under a temporary name and renamed at the end; a folder
is filled beside its final place likewise. What is discarded leaves nothing behind.
"""

import os
import re
import secrets
import shutil
import sys
from pathlib import Path

from gif2video_jax.errors import InputError

FRAME_NAME = re.compile(r"\d{4,}\.png")


class FileTarget:
    """A file that takes its place by `commit`.

    Attributes:
      path: what to write to, until then.
    """

    def __init__(self, path: Path, *, overwrite: bool):
        """Creates the temporary file, so that what cannot be written fails here.

        Raises:
          InputError: the file exists and `overwrite` is not set; the folder does not exist or
            cannot be written to.
        """
        self._final = path
        if path.is_dir():
            raise InputError(f"{path}: is a folder, expected a file name")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise InputError(f"{path}: exists already; --overwrite replaces it")
        self.path = _temporary_beside(path)
        try:
            self.path.open("xb").close()
        except FileNotFoundError:
            raise InputError(f"{path}: the folder {path.parent} does not exist") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None

    def commit(self) -> None:
        """Puts the file in its place."""
        os.replace(self.path, self._final)

    def discard(self) -> None:
        """Removes what was written."""
        self.path.unlink(missing_ok=True)


class FolderTarget:
    """A folder of numbered pictures that take their place by `commit`.

    Attributes:
      path: the folder to fill, until then.
    """

    def __init__(self, path: Path, *, overwrite: bool):
        """Creates the temporary folder.

        Raises:
          InputError: the folder holds numbered pictures and `overwrite` is not set; it is a
            file; it cannot be written.
        """
        self._final = path
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: is a file, expected a folder")
        try:
            if not overwrite and path.is_dir() and _numbered(path):
                raise InputError(f"{path}: holds numbered frames; --overwrite replaces them")
            # Inside a folder that is there already: the rename then stays on one file system.
            self.path = _temporary_beside(path / "frames" if path.is_dir() else path)
            self.path.mkdir()
        except FileNotFoundError:
            raise InputError(f"{path}: the folder {path.parent} does not exist") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None

    def commit(self) -> None:
        """Puts the pictures in their place; other files in the folder stay."""
        if not self._final.is_dir():
            os.replace(self.path, self._final)
            return
        for old in _numbered(self._final):
            old.unlink()
        for picture in sorted(self.path.iterdir()):
            os.replace(picture, self._final / picture.name)
        self.path.rmdir()

    def discard(self) -> None:
        """Removes what was written."""
        shutil.rmtree(self.path, ignore_errors=True)


class StreamTarget:
    """Standard output: what was written cannot be taken back.

    Attributes:
      path: the binary stream.
    """

    def __init__(self) -> None:
        self.path = _WriteOnly(sys.stdout.buffer)

    def commit(self) -> None:
        """Sends what is still buffered."""
        sys.stdout.buffer.flush()

    def discard(self) -> None:
        """Does nothing."""


class _WriteOnly:
    """Hides that the stream may be seekable, so that a container never goes back in it."""

    def __init__(self, stream):
        self.write = stream.write
        self.flush = stream.flush


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _numbered(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if FRAME_NAME.fullmatch(path.name)]
