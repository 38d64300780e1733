"""Tells the notebooks where the project is published, so that they open and install from there.

    python colabs/address.py https://github.com/OWNER/NAME

Each badge then opens its own notebook in Colab, and its install cell clones that repository. Until
then the badge opens Colab's list of GitHub repositories, and the install cell asks. An empty
address ("") goes back to that.
"""

import json
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).parent
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github/"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    address = arguments[0].rstrip("/").removesuffix(".git")
    if address and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        print(f"{address}: expected https://github.com/OWNER/NAME", file=sys.stderr)
        return 1
    for path in sorted(FOLDER.glob("*.ipynb")):
        set_address(path, address)
    return 0


def set_address(path: pathlib.Path, address: str) -> None:
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
