"""Makes the API reference: a page for each subpackage, a section for each module, all of them.

A hook of mkdocs (see `mkdocs.yml`). Pages are made from the package's files, so that no module can
be left out; their text comes from the docstrings, through mkdocstrings.

    python docs/reference_pages.py site

checks a built site: every public name must have a place in it, else they are listed (exit code 1).
"""

import ast
import pathlib
import re
import sys

PACKAGE = pathlib.Path(__file__).parent.parent / "gif2video_jax"
TITLES = {
    "gif2video_jax": "Package",
    "gifs": "GIFs",
    "media": "Videos",
    "ops": "Array functions",
    "models": "Networks",
    "restoring": "Restoring",
    "datasets": "Data",
    "training": "Training",
    "evaluation": "Measuring",
}


def modules() -> list[str]:
    """Every public module with a docstring, by its full name."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["gif2video_jax", *path.relative_to(PACKAGE).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        if not any(part.startswith("_") for part in parts):
            names.append(".".join(parts))
    return names


def pages() -> dict[str, str]:
    """The reference's files and their Markdown."""
    groups: dict[str, list[str]] = {}
    for name in modules():
        parts = name.split(".")
        is_package = (PACKAGE.parent / name.replace(".", "/")).is_dir()
        group = parts[1] if len(parts) > 2 or (len(parts) == 2 and is_package) else parts[0]
        groups.setdefault(group, []).append(name)
    found = {}
    for group, names in groups.items():
        title = TITLES.get(group, group)
        text = [f"# {title}", ""]
        for name in names:
            text += [f"## {name}", "", f"::: {name}", ""]
        found[f"reference/{group}.md"] = "\n".join(text)
    return found


def public_names() -> list[str]:
    """Full names of what public modules define publicly, and of their classes' public methods."""
    names = []
    for module in modules():
        path = PACKAGE.parent / module.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in _public_nodes(ast.parse(file.read_text("utf-8")).body):
            names.append(f"{module}.{node.name}")
            if isinstance(node, ast.ClassDef):
                names += [f"{module}.{node.name}.{one.name}" for one in _public_nodes(node.body)]
    return list(dict.fromkeys(names))  # a property and its setter are one


def _public_nodes(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    """Functions and classes whose names do not begin with an underscore."""
    return [
        node
        for node in body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def on_files(files, config):
    """Mkdocs asks which files there are: adds the reference's."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Mkdocs is about to render a page: the names in `python.md` lead into the reference.

    There each object has its one place; the page itself stays readable where it is not rendered.
    """
    if page.file.src_uri != "python.md":
        return markdown
    return re.sub(r"^\| `\w+`.*? \|", _link_names, markdown, flags=re.MULTILINE)


def _link_names(cell: re.Match) -> str:
    """Links each name of a cell such as "| `psnr`, `ssim` |"."""
    import gif2video_jax

    def link(name: re.Match) -> str:
        value = getattr(gif2video_jax, name[1])
        return f"[{name[0]}][{value.__module__}.{value.__qualname__}]"

    return re.sub(r"`(\w+)`", link, cell[0])


def main(site: str) -> int:
    """Looks in a built site for what is missing."""
    text = "".join(path.read_text("utf-8") for path in pathlib.Path(site).rglob("*.html"))
    places = set(re.findall(r'id="([\w.]+)"', text))
    wanted = public_names()
    missing = [name for name in wanted if name not in places]
    for name in missing:
        print(f"{name}: not in the reference", file=sys.stderr)
    print(f"{len(wanted) - len(missing)} of {len(wanted)} public names are in the reference")
    return 1 if missing or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
