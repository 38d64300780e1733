"""Runs notebooks as Colab would, as far as that can be had elsewhere.

    make test-colab, or: python tests/colab_check.py [1 2 ...] [--folder FOLDER]

Each starts in an empty folder, in an environment with what Colab has installed (the newest JAX,
NumPy, Pillow, Matplotlib and ipywidgets) and without this package. Its install cell clones the
last commit of this repository and installs it; notebook 1 uploads a GIF and downloads the video
through `fake_colab/`. Takes minutes and up to 4 GB, in FOLDER if one is given (kept then).

What it cannot show: Colab's own versions and images, a GPU or TPU, a clone from a public address.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv

import nbformat
from run_notebooks import NOTEBOOKS, run, wanted

ROOT = NOTEBOOKS.parent
PACKAGES = ("jax", "numpy", "pillow", "matplotlib", "ipywidgets", "ipykernel")
UPLOAD = "a party.gif"


def main() -> int:
    """Makes the environment, then runs the notebooks one after another."""
    parser = argparse.ArgumentParser(description="Runs the notebooks of colabs/ as Colab would.")
    parser.add_argument("numbers", nargs="*", help="which; all if none is given")
    parser.add_argument("--folder", type=pathlib.Path, help="keep the environment and outputs here")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory())
        return check(pathlib.Path(folder).resolve(), options.numbers)


def check(folder: pathlib.Path, numbers: list[str]) -> int:
    """Runs notebooks in a folder; returns the exit code."""
    python = make_environment(folder / "environment")
    os.environ["GIF2VIDEO_NOTEBOOK_QUICK"] = "1"
    os.environ["JUPYTER_PATH"] = str(folder / "environment/share/jupyter")
    # A kernel sees nothing of this checkout but the stand-in of google.colab.
    os.environ["PYTHONPATH"] = str(ROOT / "tests/fake_colab")
    os.environ["FAKE_COLAB_UPLOAD"] = str(folder / UPLOAD)
    shutil.copy(ROOT / "data/samples/bunny.gif", folder / UPLOAD)
    paths = wanted(numbers)
    # Those that install extras come last, so that they cannot help the others.
    passed = [run_as_colab(path, folder, python) for path in sorted(paths, key=extra_of)]
    return 0 if paths and all(passed) else 1


def make_environment(place: pathlib.Path) -> str:
    """Makes a virtual environment like Colab's, and a Jupyter kernel `colab` in it."""
    venv.create(place, with_pip=True)
    python = str(place / "bin/python")
    pip(python, "install", "--no-compile", *PACKAGES)
    install = ("-m", "ipykernel", "install", "--prefix", str(place), "--name", "colab")
    subprocess.run([python, *install], check=True, stdout=subprocess.DEVNULL)
    return python


def pip(python: str, command: str, *arguments: str) -> None:
    """Runs pip in an environment."""
    words = (command, "--quiet", "--disable-pip-version-check", *arguments)
    subprocess.run([python, "-m", "pip", *words], check=True)


def extra_of(path: pathlib.Path) -> str:
    """Which of the package's extras a notebook installs."""
    install = nbformat.read(path, as_version=4).cells[1].source
    return re.search(r'^EXTRA = "([^"]*)"', install, re.MULTILINE)[1]


def run_as_colab(path: pathlib.Path, folder: pathlib.Path, python: str) -> bool:
    """Runs a notebook where the package is not installed; says whether all went well."""
    pip(python, "uninstall", "--yes", "gif2video_jax")
    content = folder / path.stem
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    notebook = nbformat.read(path, as_version=4)
    set_line(notebook.cells[1], "REPOSITORY", f'"{ROOT.as_uri()}"')
    # Colab's kernels have its module from the start, and JAX looks whether they do.
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import google.colab"))
    downloads = "files.download" in "".join(cell.source for cell in notebook.cells)
    for cell in notebook.cells:
        if "files.upload" in cell.source:
            set_line(cell, "upload", "True")
    if not run(path.name, notebook, content, kernel="colab"):
        return False
    if downloads and not any((content / "downloads").glob("*")):
        print(f"{path.name}: nothing was downloaded", file=sys.stderr)
        return False
    return True


def set_line(cell: nbformat.NotebookNode, name: str, value: str) -> None:
    """Sets a variable that a cell begins with, as a user does in Colab's form."""
    cell.source, count = re.subn(rf"(?m)^{name} = (\S+)", f"{name} = {value}", cell.source)
    assert count == 1, f"expected one line that sets {name}, got {count}"


if __name__ == "__main__":
    sys.exit(main())
