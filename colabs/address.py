"""Writes where the project is published into every file that says so, and so renames it.

    python colabs/address.py https://github.com/OWNER/NAME

Each notebook's badge then opens that notebook in Colab, its install cell clones that repository,
and `setup.cfg`, `CITATION.cff` and `mkdocs.yml` name it. Until then the badge opens Colab's list of
GitHub repositories, the install cell asks, and the other files name nothing. An empty address ("")
goes back to that.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github/"
# File: the line that names the address, and the line that it comes after.
LINES = {
    "setup.cfg": ("url = ", r"description = .*"),
    "CITATION.cff": ("repository-code: ", r"license: .*"),
    "mkdocs.yml": ("repo_url: ", r"site_description: .*"),
}


def main(arguments: list[str]) -> int:
    """Checks the address and writes it; returns the exit code."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    address = arguments[0].rstrip("/").removesuffix(".git")
    if address and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        print(f"{address}: expected https://github.com/OWNER/NAME", file=sys.stderr)
        return 1
    for path in sorted((ROOT / "colabs").glob("*.ipynb")):
        set_in_notebook(path, address)
    for name, (key, after) in LINES.items():
        set_line(ROOT / name, key, after, address)
    return 0


def set_in_notebook(path: pathlib.Path, address: str) -> None:
    """Writes an address into one notebook's badge and install cell."""
    place = address.removeprefix("https://github.com/") + f"/blob/main/colabs/{path.name}"
    target = COLAB + (place if address else "")
    notebook = json.loads(path.read_text("utf-8"))
    title, install = (cell["source"] for cell in notebook["cells"][:2])
    title[:] = [re.sub(rf"({BADGE}\)\]\()[^)]*", rf"\g<1>{target}", line) for line in title]
    install[:] = [
        re.sub(r'^REPOSITORY = "[^"]*"', f'REPOSITORY = "{address}"', line) for line in install
    ]
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def set_line(path: pathlib.Path, key: str, after: str, address: str) -> None:
    """Writes the line of a file that names an address, or takes it out if there is none."""
    text = re.sub(rf"(?m)^{key}.*\n", "", path.read_text("utf-8"))
    line = f"{key}{address}\n" if address else ""
    text, count = re.subn(rf"(?m)^{after}\n", lambda match: match[0] + line, text)
    assert count == 1, f"{path}: expected one line {after}, got {count}"
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
