"""The documentation holds: links, anchors, paths, names of tests, commands, the API reference.

Commands of `gif2video` are run, with files in place of IN.gif and the like. Of other commands it is
checked that the program, its options, the config and its fields exist; that they run is what their
own tests and the Makefile's targets see to.
"""

import ast
import configparser
import json
import pathlib
import re
import runpy
import shlex
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import gif2video_jax
from gif2video_jax import cli

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "gif2video_jax"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "data" / "samples").glob("*.md")),
    *sorted(PACKAGE.rglob("*.md")),
]
NOTEBOOKS = sorted((ROOT / "colabs").glob("*.ipynb"))


def name_of(path):
    return str(path.relative_to(ROOT))


def text_of(path):
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text("utf-8"))["cells"]
        return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return path.read_text("utf-8")


def prose_of(text):
    """Without fenced and indented code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)


every_page = pytest.mark.parametrize("page", PAGES + NOTEBOOKS, ids=name_of)


# Links.


@every_page
def test_links_within_the_repository_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(text_of(page))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors_of(text_of(file)), f"{target}: no such heading"


def anchors_of(text):
    """Of a page's headings, as GitHub and Python-Markdown name them."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def test_anchors_are_those_of_headings():
    text = "# A b\n\n## What, `c_d`?\n\n```\n# no heading\n```\n"
    assert anchors_of(text) == {"a-b", "what-c_d"}


@every_page
def test_paths_in_backticks_exist(page):
    tops = {path.name for path in (*ROOT.iterdir(), *PACKAGE.iterdir()) if path.is_dir()}
    tops -= {"out", "site", "build", ".venv"}
    for path, _, test in re.findall(
        r"(?<!Write )`([\w.*-]+(?:/[\w.*-]+)+\.[a-z]+)(::(\w+))?`", prose_of(text_of(page))
    ):
        if path.split("/")[0] not in tops:
            continue  # a path of the reader's
        found = [p for base in (ROOT, PACKAGE, page.parent) for p in base.glob(path)]
        assert found, f"{path}: no such file"
        if test:
            assert re.search(rf"^def {test}\(", found[0].read_text("utf-8"), re.MULTILINE), test


def test_every_page_can_be_reached_from_the_first():
    index = text_of(ROOT / "docs" / "index.md")
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert linked == pages


# Commands.

PROGRAMS = ("gif2video", "make", "python", ".venv/bin/python", "pip")


def commands_of(text):
    """Command lines in code blocks and in backticks, without comments."""
    blocks = re.findall(r"^```(?:\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    blocks.append("\n".join(re.findall(r"^ {4}(.*)$", text, flags=re.MULTILINE)))
    lines = "\n".join(blocks).replace("\\\n", " ").split("\n")
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose_of(text))]
    found = []
    for line in lines:
        line = re.sub(r"\s#\s.*$", "", line).strip()
        line = re.sub(r"^(?:[A-Z][A-Z0-9_]*=\S+ )+", "", line)
        if line.split(" ")[0] in PROGRAMS and " " in line:
            found.append(line)
    return list(dict.fromkeys(found))


def test_commands_are_found():
    text = (
        "    make demo     # shows\n\nSee `gif2video info IN.gif`, `make` and:\n\n```\n"
        "A=1 python -m x \\\n  --y\n```\n"
    )
    found = ["python -m x    --y", "make demo", "gif2video info IN.gif"]
    assert commands_of(text) == found


@every_page
def test_commands_name_what_exists(page):
    for command in commands_of(text_of(page)):
        words = shlex.split(command)
        program = pathlib.PurePath(words[0]).name
        if program == "make":
            check_make(words[1:])
        elif program == "pip":
            check_pip(words[1:])
        elif program == "python":
            check_python(words[1:])
        else:
            assert words[1] in {"COMMAND", "--help"} | subcommands(), command


def check_make(words):
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for word in words:
        assert "=" in word or word in phony[1].split(), f"make {word}: no such target"


def check_pip(words):
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    for word in words:
        if match := re.fullmatch(r"(?:\.|gif2video_jax)\[([\w,]+)\]", word):
            for extra in match[1].split(","):
                assert extra in settings["options.extras_require"], f"{word}: no such extra"


def check_python(words):
    if words[0] == "-m":
        if not words[1].startswith("gif2video_jax"):
            return  # pytest and the like
        place = ROOT / words[1].replace(".", "/")
        file = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
        folder = file.parent.glob("*.py")
    else:
        file = ROOT / words[0]
        folder = [file]
    assert file.is_file(), f"{file}: no such program"
    source = "".join(path.read_text("utf-8") for path in folder)
    for word in words[2 if words[0] == "-m" else 1 :]:
        option, _, value = word.partition("=")
        if option == "--config" and value:
            placeholder = value == "..." or pathlib.PurePath(value).stem.isupper()
            assert placeholder or (ROOT / value).is_file(), f"{value}: no such config"
        elif option.startswith("--config."):
            config = next(w for w in words if w.startswith("--config=")).split("=")[1]
            if (ROOT / config).is_file():
                check_field(config, option.removeprefix("--config."))
        elif option.startswith("--"):
            plain = option.removeprefix("--")
            known = f'"{option}"' in source or re.search(rf'DEFINE_\w+\(\s*"{plain}"', source)
            assert known, f"{file.name} {option}: no such option"


def check_field(config, field):
    value = runpy.run_path(str(ROOT / config))["get_config"]()
    for part in field.split("."):
        assert part in value, f"{config}: no field {field}"
        value = value[part]


def subcommands():
    source = (PACKAGE / "cli.py").read_text("utf-8")
    return set(re.findall(r"`gif2video ([\w-]+)`", source))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """A folder with a small file for each name that commands use."""
    folder = tmp_path_factory.mktemp("stand_ins")
    rng = np.random.default_rng(0)
    first = Image.fromarray(rng.integers(0, 256, (20, 26, 3), np.uint8))
    frames = [first.rotate(5 * turn).quantize(16) for turn in range(3)]
    for name in ("IN.gif", "party.gif"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=100, loop=0)
    with gif2video_jax.open_writer(folder / "clip.mp4", width=26, height=20, rate=10) as writer:
        for frame in frames:
            writer.write(np.asarray(frame.convert("RGB")))
    for name, picture in (("old_film", first), ("scratches", Image.new("L", first.size))):
        (folder / name).mkdir()
        for number in range(2):
            picture.save(folder / name / f"{number}.png")
    (folder / "mine").mkdir()  # what README's training exports, and the file it copies
    for part in ("dequantizer", "interpolator"):
        weights = PACKAGE / f"weights/default.{part}.safetensors"
        shutil.copy(weights, folder / f"mine/{part}.safetensors")
    first.save(folder / "caption.png")
    for name in ("VIDEO", "RESTORED", "REFERENCE"):
        shutil.copy(folder / "clip.mp4", folder / f"{name}.mp4")
    return folder


def test_commands_of_gif2video_run(stand_ins, tmp_path, monkeypatch, capsys):
    """README's table and examples, and those of every page."""
    shutil.copytree(stand_ins, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    ran = set()
    commands = [c for page in PAGES + NOTEBOOKS for c in commands_of(text_of(page))]
    for command in dict.fromkeys(c for c in commands if c.startswith("gif2video ")):
        words = shlex.split(re.sub(r"\bCOMMAND\b", "restore", command))[1:]
        names = {"VIDEO": "VIDEO.mp4", "RESTORED": "RESTORED.mp4", "REFERENCE": "REFERENCE.mp4"}
        words = [{**names, "OUT": "out.mp4"}.get(word, word) for word in words]
        files = [word for word in words[1:] if re.fullmatch(r"[\w/]+\.(gif|mp4|png|pt)", word)]
        outputs = [words[i + 1] for i, word in enumerate(words) if word in ("-o", "--output")]
        inputs = [name for name in files if name not in outputs]
        whole = "--help" in words or words == ["models"] or inputs or len(words) > 2
        if not whole or any(word.isupper() and len(word) > 1 for word in words):
            continue  # a command's name alone, or with a placeholder that stands for many things
        if any(not pathlib.Path(name).exists() for name in inputs):
            continue  # weights of the authors
        for name in outputs:
            pathlib.Path(name).unlink(missing_ok=True)
        try:
            code = cli.main(words)
        except SystemExit as end:  # --help
            code = end.code
        assert not code, f"{command}: {capsys.readouterr().err}"
        ran.add(words[0])
    assert {"restore", "info", "make-gif", "compare", "models"} <= ran


def python_of(text):
    """Blocks of Python: fenced as such, or indented and begun by an import."""
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"(?:^ {4}.*\n|^\n)+", text, flags=re.MULTILINE):
        lines = [line[4:] for line in block.strip("\n").split("\n")]
        if lines[0].startswith(("import ", "from ")):
            blocks.append("\n".join(lines))
    return blocks


def test_python_in_pages_runs(stand_ins, tmp_path, monkeypatch):
    """Each block by itself. Recipes of architecture.md are followed by test_recipes.py, and blocks
    of other pages need data or accelerators: their imports are checked below."""
    shutil.copytree(stand_ins, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    with Image.open("party.gif") as gif:
        image = np.asarray(gif.convert("RGB"))
    ran = 0
    for name in ("README.md", "docs/python.md", "docs/gif-making.md"):
        page = ROOT / name
        for block in python_of(text_of(page)):
            exec(compile(block, name_of(page), "exec"), {"image": image})
            ran += 1
    assert ran >= 3


@every_page
def test_what_python_in_pages_imports_exists(page):
    if page.name == "architecture.md":
        return  # test_recipes.py
    for block in python_of(text_of(page)):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("gif2video_jax"):
                place = ROOT / node.module.replace(".", "/")
                file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
                text = file.read_text("utf-8") + " ".join(p.stem for p in place.glob("*"))
                for alias in node.names:
                    assert re.search(rf"\b{alias.name}\b", text), f"{node.module}.{alias.name}"


def test_every_subcommand_is_in_the_readme():
    text = (ROOT / "README.md").read_text("utf-8")
    for name in subcommands():
        assert f"`gif2video {name}" in text, name


def test_every_target_is_described_in_the_makefile():
    text = (ROOT / "Makefile").read_text("utf-8")
    for name in re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)[1].split():
        if name != "lint":
            assert re.search(rf"^#   make {name} ", text, re.MULTILINE), name


# The reference.


def test_every_public_name_is_in_the_reference():
    reference = runpy.run_path(str(ROOT / "docs" / "reference_pages.py"))
    pages, names = reference["pages"](), reference["public_names"]()
    sections = re.findall(r"^::: (\S+)$", "\n".join(pages.values()), re.MULTILINE)
    assert sorted(sections) == reference["modules"]() and len(set(sections)) == len(sections)
    for name in gif2video_jax.__all__:
        value = getattr(gif2video_jax, name)
        assert f"{value.__module__}.{value.__qualname__}" in names, name


def test_a_name_that_a_built_site_lacks_is_told(tmp_path, capsys):
    reference = runpy.run_path(str(ROOT / "docs" / "reference_pages.py"))
    page = tmp_path / "reference" / "page.html"
    page.parent.mkdir()
    *most, last = reference["public_names"]()
    page.write_text("".join(f'<h3 id="{name}"></h3>' for name in most), "utf-8")
    assert reference["main"](str(tmp_path)) == 1
    assert capsys.readouterr().err == f"{last}: not in the reference\n"
    page.write_text("".join(f'<h3 id="{name}"></h3>' for name in (*most, last)), "utf-8")
    assert reference["main"](str(tmp_path)) == 0


def test_the_page_on_python_lists_every_export():
    rows = re.findall(r"^\| (`\w+`.*?) \|", text_of(ROOT / "docs/python.md"), re.MULTILINE)
    names = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(names) == gif2video_jax.__all__


def test_every_public_name_has_a_docstring():
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"


# What must not be in the repository.


def tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("needs a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_this_machine_or_a_package_registry():
    places = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"]
    hosts = ["pypi" + ".org", "python" + "hosted", "deb.deb" + "ian", "conda.ana" + "conda"]
    for path in tracked_files():
        if not path.is_file():
            continue  # deleted, and not committed yet
        content = path.read_bytes()
        if b"\0" in content[:4096]:
            continue
        text = content.decode("utf-8")
        for word in places + hosts:
            assert word not in text, f"{name_of(path)}: {word}"
