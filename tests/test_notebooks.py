"""Notebooks without running them (`make notebooks` does): form, badge, size, and their imports."""

import ast
import importlib.util
import json
import pathlib
import re
import runpy
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FOLDER = ROOT / "colabs"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path):
    notebook = json.loads(path.read_text("utf-8"))
    return notebook, [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def code_of(path):
    return [source for kind, source in read(path)[1] if kind == "code"]


def by_name(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def test_there_are_notebooks():
    assert [path.name[0] for path in NOTEBOOKS] == [str(i + 1) for i in range(len(NOTEBOOKS))]
    assert len(NOTEBOOKS) >= 5


@by_name(NOTEBOOKS)
def test_a_notebook_is_small_and_holds_no_outputs(path):
    notebook, _ = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert path.stat().st_size < 40_000


@by_name(NOTEBOOKS)
def test_cells_are_short_and_explained(path):
    cells = read(path)[1]
    for kind, source in cells:
        lines = source.splitlines()
        if kind == "code":
            assert len(lines) <= 28 and all(len(line) <= 100 for line in lines), source
    explained = sum(kind == "markdown" for kind, _ in cells)
    assert explained >= len(cells) / 3


@by_name(NOTEBOOKS)
def test_a_notebook_begins_with_title_badge_and_the_install_cell(path):
    (kind, title), (_, install) = read(path)[1][:2]
    assert kind == "markdown" and title.startswith("# ")
    assert "colab-badge.svg)](https://colab.research.google.com/github/" in title
    first = code_of(NOTEBOOKS[0])[0]

    def same(text):  # but for the extra that is asked for
        return [line for line in text.splitlines() if not line.startswith("EXTRA = ")]

    assert same(install) == same(first)
    extra = next(line for line in install.splitlines() if line.startswith("EXTRA = "))
    assert extra.split('"')[1] in ("", "[train]", "[data]")


@by_name(NOTEBOOKS)
def test_what_a_notebook_takes_from_the_package_exists(path):
    for source in code_of(path):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("gif2video_jax."):
                for alias in node.names:
                    assert defines(node.module, alias.name), f"{node.module}.{alias.name}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "g2v":
                    assert defines("gif2video_jax", node.attr), f"g2v.{node.attr}"


def defines(module, name):
    """Whether a module of the package has a name, without importing it."""
    if module == "gif2video_jax":
        import gif2video_jax

        return name in gif2video_jax.__all__
    base = ROOT / module.replace(".", "/")
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if base.is_dir() and importlib.util.find_spec(f"{module}.{name}") is not None:
        return True
    found = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return name in found


# Files that name where the project is published, and how.
ADDRESSED = {
    "setup.cfg": r"^url = (.*)$",
    "CITATION.cff": r"^repository-code: (.*)$",
    "mkdocs.yml": r"^repo_url: (.*)$",
}
NOWHERE = "https://colab.research.google.com/github/"


def addresses_in(root):
    """What every file says of where the project is published; "" where it says nothing."""
    found = {}
    for name, line in ADDRESSED.items():
        match = re.search(line, (root / name).read_text("utf-8"), re.MULTILINE)
        found[name] = match[1] if match else ""
    for path in sorted((root / "colabs").glob("*.ipynb")):
        (_, title), (_, install) = read(path)[1][:2]
        badge = re.search(r"colab-badge\.svg\)\]\((.*)\)", title)[1]
        place = re.fullmatch(rf"{NOWHERE}(.+)/blob/main/colabs/{re.escape(path.name)}", badge)
        assert place or badge == NOWHERE, badge
        found[f"badge of {path.name}"] = f"https://github.com/{place[1]}" if place else ""
        found[path.name] = re.search(r'^REPOSITORY = "(.*?)"', install, re.MULTILINE)[1]
    return found


@pytest.fixture
def address(tmp_path):
    """colabs/address.py on a copy of what it writes into: its main, and the copy."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(FOLDER, tmp_path / "colabs", ignore=ignored)
    for name in ADDRESSED:
        shutil.copy(ROOT / name, tmp_path)
    return runpy.run_path(str(tmp_path / "colabs" / "address.py"))["main"], tmp_path


def contents(root):
    return [(root / name).read_bytes() for name in ADDRESSED] + [
        (root / "colabs" / path.name).read_bytes() for path in NOTEBOOKS
    ]


def test_all_files_say_the_same_of_where_the_project_is_published():
    found = addresses_in(ROOT)
    assert len(set(found.values())) == 1, found


def test_an_address_goes_into_every_file_and_out_again(address):
    main, folder = address
    (before,) = set(addresses_in(folder).values())
    for owner in ("somebody", "somebody-else"):
        assert main([f"https://github.com/{owner}/something.git"]) == 0
        assert set(addresses_in(folder).values()) == {f"https://github.com/{owner}/something"}
    assert main([before]) == 0
    assert contents(folder) == contents(ROOT)


def test_something_else_than_a_repository_is_refused(address, capsys):
    main, folder = address
    assert main(["https://example.com/"]) == 1
    assert "expected https://github.com/OWNER/NAME" in capsys.readouterr().err
    assert main([]) == 2
    assert contents(folder) == contents(ROOT)


@pytest.fixture
def run_install(monkeypatch):
    """Runs the install cell of a notebook with everything that it would start recorded."""

    def run(path, *, installed, programs=(), answer="", address=""):
        started = []
        spec = object() if installed else None
        monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
        monkeypatch.setattr("shutil.which", lambda name: name if name in programs else None)
        monkeypatch.setattr("glob.glob", lambda pattern: [])
        monkeypatch.setattr("subprocess.run", lambda command, check: started.append(command))
        code = re.sub('REPOSITORY = ".*?"', f'REPOSITORY = "{address}"', code_of(path)[0])
        exec(compile(code, path.name, "exec"), {"input": lambda question: answer})
        monkeypatch.undo()
        return started

    return run


@by_name(NOTEBOOKS)
def test_the_install_cell_does_nothing_where_the_package_is(path, run_install):
    assert run_install(path, installed=True) == []


def test_the_install_cell_clones_and_installs(run_install):
    path = FOLDER / "4_train_in_five_minutes.ipynb"
    clone, install = run_install(path, installed=False, address="https://a.example/b/c")
    assert clone[:2] == ["git", "clone"] and "https://a.example/b/c" in clone
    assert clone[-1] == "gif2video_jax_source"
    assert "jax" in install and "./gif2video_jax_source[train]" in install


def test_the_install_cell_asks_for_the_address_and_takes_jax_for_the_gpu(run_install):
    started = run_install(
        NOTEBOOKS[0], installed=False, answer="https://a.example/d", programs=["nvidia-smi"]
    )
    assert "https://a.example/d" in started[0]
    assert "jax[cuda12]" in started[1] and "./gif2video_jax_source" in started[1]


def test_the_install_cell_tried_again_clones_no_second_time(run_install, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gif2video_jax_source").mkdir()
    (install,) = run_install(NOTEBOOKS[0], installed=False)
    assert "./gif2video_jax_source" in install


@pytest.fixture
def in_colab(tmp_path, monkeypatch):
    """Runs cells of notebook 1 in an empty folder, with a stand-in of Colab's own module."""
    (tmp_path / "gif2video_jax_source").symlink_to(ROOT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FOLDER.parent / "tests/fake_colab"))
    names = {"importlib": importlib}

    def run(containing, old="", new=""):
        (source,) = (code for code in code_of(NOTEBOOKS[0]) if containing in code)
        exec(compile(source.replace(old, new), "cell", "exec"), names)
        return names

    run("SOURCE = ")
    yield run
    shutil.rmtree(names["OUT"])
    for name in [name for name in sys.modules if name.startswith("google.colab")]:
        del sys.modules[name]


def test_an_uploaded_gif_is_taken(in_colab, tmp_path, monkeypatch):
    uploaded = tmp_path / "elsewhere" / "a party.gif"
    uploaded.parent.mkdir()
    shutil.copy(ROOT / "data/samples/bunny.gif", uploaded)
    monkeypatch.setenv("FAKE_COLAB_UPLOAD", str(uploaded))
    names = in_colab("files.upload", "upload = False", "upload = True")
    assert names["gif_path"] == pathlib.Path("a party.gif") and names["gif_path"].is_file()


def test_a_cancelled_upload_leaves_the_sample(in_colab):
    names = in_colab("files.upload", "upload = False", "upload = True")
    assert names["gif_path"].name == "bunny.gif"


def test_the_video_is_downloaded_in_colab(in_colab, tmp_path):
    (in_colab("files.upload")["OUT"] / "restored.mp4").write_bytes(b"video")
    in_colab("files.download")
    assert (tmp_path / "downloads" / "restored.mp4").read_bytes() == b"video"
