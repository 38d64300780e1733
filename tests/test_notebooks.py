"""Notebooks without running them (`make notebooks` does): form, badge, size, and their imports."""

import ast
import importlib.util
import json
import pathlib
import runpy
import shutil

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


@pytest.fixture
def address(tmp_path):
    """colabs/address.py on a copy of the notebooks: its main, and the folder."""
    folder = tmp_path / "colabs"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return runpy.run_path(str(folder / "address.py"))["main"], folder


def test_an_address_goes_into_badges_and_install_cells_and_out_again(address):
    main, folder = address
    assert main(["https://github.com/somebody/something.git"]) == 0
    for path in folder.glob("*.ipynb"):
        (_, title), (_, install) = read(path)[1][:2]
        assert f"/github/somebody/something/blob/main/colabs/{path.name})" in title
        assert 'REPOSITORY = "https://github.com/somebody/something"' in install
    assert main([""]) == 0
    for path in NOTEBOOKS:
        assert (folder / path.name).read_bytes() == path.read_bytes()


def test_something_else_than_a_repository_is_refused(address, capsys):
    main, folder = address
    assert main(["https://example.com/"]) == 1
    assert "expected https://github.com/OWNER/NAME" in capsys.readouterr().err
    assert main([]) == 2
    for path in NOTEBOOKS:
        assert (folder / path.name).read_bytes() == path.read_bytes()


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
        code = code_of(path)[0].replace('REPOSITORY = ""', f'REPOSITORY = "{address}"')
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
