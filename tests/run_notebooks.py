"""Runs the notebooks of colabs/, or those that are named: `make notebooks`.

    python tests/run_notebooks.py [1 2 ...] [--output FOLDER]

Each runs from its first cell to its last in a kernel of its own, shrunk by
GIF2VIDEO_NOTEBOOK_QUICK=1 (unless that is set to 0). Nothing is written back; with --output, what
was run is kept there, with its outputs. The first error of a notebook is printed with its cell, and
the exit code is 1.
"""

import argparse
import os
import pathlib
import sys
import time

import nbclient
import nbformat

NOTEBOOKS = pathlib.Path(__file__).parent.parent / "colabs"
CELL_SECONDS = 900


def main() -> int:
    os.environ.setdefault("GIF2VIDEO_NOTEBOOK_QUICK", "1")
    # A kernel imports the package from this checkout, installed or not.
    root = str(NOTEBOOKS.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    parser = argparse.ArgumentParser(description="Runs the notebooks of colabs/.")
    parser.add_argument("numbers", nargs="*", help="which; all if none is given")
    parser.add_argument("--output", type=pathlib.Path, help="folder to keep what was run in")
    options = parser.parse_args()
    paths = wanted(options.numbers)
    if not paths:
        return 1
    started = time.monotonic()
    failed = [path.name for path in paths if not run_here(path, options.output)]
    print(f"{len(paths)} notebooks in {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def wanted(numbers: list[str]) -> list[pathlib.Path]:
    """The notebooks of these numbers, or all; says so if there is none."""
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    if numbers:
        paths = [path for path in paths if path.name.split("_")[0] in numbers]
    if not paths:
        print(f"no notebook {' or '.join(numbers)} in {NOTEBOOKS}", file=sys.stderr)
    return paths


def run_here(path: pathlib.Path, output: pathlib.Path | None) -> bool:
    """Runs one notebook where it lies, and keeps what was run."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    if not run(path.name, notebook, path.parent):
        return False
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, output / path.name)
    return True


def run(
    name: str, notebook: nbformat.NotebookNode, folder: pathlib.Path, kernel: str = "python3"
) -> bool:
    """Runs a notebook in a folder; says how long it took, or where it failed."""
    client = nbclient.NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name=kernel,
        resources={"metadata": {"path": str(folder)}},
    )
    started = time.monotonic()
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
