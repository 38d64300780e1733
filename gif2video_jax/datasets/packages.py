"""Downloads distribution packages by their own clients, and reads files out of them.

Debian packages are `ar` archives of tar files, wheels are ZIP files; Python's library reads both,
so that packages fetched elsewhere unpack on any system. A path `a.rcc!b` is `b` inside the Qt
resource `a.rcc` (see `qt_resources`).
"""

import contextlib
import functools
import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from gif2video_jax.datasets.corpus_list import Package
from gif2video_jax.datasets.qt_resources import read_resource
from gif2video_jax.errors import InputError

Run = Callable[..., subprocess.CompletedProcess]


def download(package: Package, folder: Path, *, run: Run = subprocess.run) -> Path:
    """Downloads a package into a folder, the listed version if it can be had, else the newest.

    What is used of it is verified file by file, so another version does if its pictures are equal.

    Args:
      package: what to download.
      folder: where to.
      run: starts a program, as `subprocess.run`.

    Raises:
      InputError: if the client is missing or finds no such package.
    """
    folder.mkdir(parents=True, exist_ok=True)
    errors = ""
    for version in (package.version, ""):
        done = run(_command(package, version), cwd=folder, capture_output=True, text=True)
        if done.returncode == 0:
            return find(package, folder)
        errors = (done.stderr or done.stdout or "").strip()
    last = errors.splitlines()[-1] if errors else "no message"
    raise InputError(f"{package.name}: {package.client} can't download it ({last}); {_advice()}")


def find(package: Package, folder: Path) -> Path:
    """The newest downloaded file of a package in a folder.

    Raises:
      InputError: if there is none.
    """
    pattern = f"{package.name}_*.deb" if package.client == "apt" else "*.whl"
    wanted = _wheel_name(package.name)
    found = [
        path
        for path in folder.glob(pattern)
        if package.client == "apt" or _wheel_name(path.name.split("-")[0]) == wanted
    ]
    if not found:
        shown = pattern if package.client == "apt" else f"{wanted}-*.whl"
        raise InputError(
            f"{folder}: holds no {shown}, expected the package {package.name} {package.version}"
        )
    return max(found, key=lambda path: (path.stat().st_mtime, path.name))


@contextlib.contextmanager
def open_package(path: Path):
    """Opens a .deb or .whl; yields a function from a path inside to its bytes.

    The function raises KeyError for a path that the package doesn't hold.

    Raises:
      InputError: if the file is neither or is damaged.
    """
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                yield _reader(archive.read)
        else:
            with path.open("rb") as file, _deb_data(file, path) as archive:
                yield _reader(lambda name: _read_member(archive, name))
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise InputError(f"{path}: damaged or not a package ({error}); download it again") from None


def _reader(read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Reads what lies in resources, too; of these the last is kept, for going back takes long."""
    resource = functools.lru_cache(maxsize=1)(read)

    def read_path(path: str) -> bytes:
        outer, mark, inner = path.partition("!")
        return read_resource(resource(outer), inner) if mark else read(path)

    return read_path


def _command(package: Package, version: str) -> list[str]:
    pinned = f"{package.name}{'=' if package.client == 'apt' else '=='}{version}"
    wanted = pinned if version else package.name
    if package.client == "pip":
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        return [*pip, "--only-binary=:all:", "--dest", ".", wanted]
    program = shutil.which("apt-get")
    if program is None:
        raise InputError(f"{package.name}: needs apt-get, which is not installed; {_advice()}")
    return [program, "--quiet", "download", wanted]


def _advice() -> str:
    return (
        "download it where its client works (`apt-get download` on Debian 12, `pip download "
        "--no-deps`) and pass that folder as --from-folder"
    )


def _wheel_name(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _deb_data(file: IO[bytes], path: Path) -> tarfile.TarFile:
    """The data.tar.* member of a Debian package (an `ar` archive, see deb(5))."""
    if file.read(8) != b"!<arch>\n":
        raise InputError(f"{path}: not a Debian package, expected an ar archive")
    while len(header := file.read(60)) == 60:
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            if name.endswith(".zst"):
                raise InputError(
                    f"{path}: packed with Zstandard, expected xz; take Debian's package, or "
                    "repack it with dpkg-deb"
                )
            return tarfile.open(fileobj=io.BytesIO(file.read(size)))
        file.seek(size + size % 2, io.SEEK_CUR)
    raise InputError(f"{path}: a Debian package without data, expected data.tar.xz in it")


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile("./" + name)
    if member is None:
        raise KeyError(name)
    return member.read()
