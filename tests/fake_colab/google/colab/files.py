"""Uploads the file that FAKE_COLAB_UPLOAD names; downloads into the folder `downloads`."""

import os
import pathlib
import shutil


def upload() -> dict[str, bytes]:
    """Colab puts what one chooses into the current folder; nothing if one cancels."""
    source = os.environ.get("FAKE_COLAB_UPLOAD")
    if not source:
        return {}
    chosen = shutil.copy(source, os.curdir)
    return {pathlib.Path(chosen).name: pathlib.Path(chosen).read_bytes()}


def download(filename: str) -> None:
    """Colab has the browser save a file, which must exist."""
    pathlib.Path("downloads").mkdir(exist_ok=True)
    shutil.copy(filename, "downloads")
