"""What setup.cfg promises: names, extras, and that light imports stay light."""

import ast
import configparser
import importlib
import pathlib
import re
import subprocess
import sys

import pytest

import gif2video_jax

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "gif2video_jax"

# Import names that are not their distribution's.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "orbax": "orbax-checkpoint",
    "ml_collections": "ml-collections",
    "tensorflow_datasets": "tensorflow-datasets",
    "apache_beam": "apache-beam",
    "importlib_resources": "importlib-resources",
    "cv2": "opencv-python-headless",
}
# Which extras a folder's modules may rely on, beside the core; others rely on the core alone.
EXTRAS_OF = {
    "training": ("train",),
    "datasets": ("data", "beam"),
    "evaluation": ("train", "evaluation"),
}


def setup_config():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def names(requirements):
    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    return {re.split(r"[\[<>=!~; ]", line)[0].lower().replace("_", "-") for line in lines}


def requirements(extras=()):
    """The distributions of the core and of these extras, extras of extras included."""
    config = setup_config()
    found = names(config["options"]["install_requires"])
    for extra in extras:
        text = config["options.extras_require"][extra]
        found |= names(text)
        found |= requirements(re.findall(r"gif2video_jax\[(\w+)\]", text))
    return found


def third_party_imports(path, *, top_level):
    """Distributions that a module imports, in functions too unless `top_level`."""
    tree = ast.parse(path.read_text("utf-8"))
    found = set()
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module]
        else:
            continue
        found |= {module.split(".")[0] for module in modules}
    foreign = found - set(sys.stdlib_module_names) - {"gif2video_jax"}
    return {DISTRIBUTIONS.get(name, name).lower().replace("_", "-") for name in foreign}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_extra_declares(path):
    part = path.relative_to(PACKAGE).parts[0]
    needed = third_party_imports(path, top_level=True)
    assert needed <= requirements(EXTRAS_OF.get(part, ()))
    every = requirements(setup_config()["options.extras_require"])
    assert third_party_imports(path, top_level=False) <= every


def test_every_dependency_has_a_lower_bound():
    config = setup_config()
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line for text in texts for line in text.splitlines()]
    for line in lines:
        if line and not line.startswith(("#", "gif2video_jax[")):
            assert ">=" in line, line


def test_every_public_name_is_there():
    for name in gif2video_jax.__all__:
        assert getattr(gif2video_jax, name) is not None
        assert name in dir(gif2video_jax)


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(AttributeError, match="no attribute 'retsore'; it has .*restore"):
        _ = gif2video_jax.retsore


def test_the_console_script_exists():
    script = setup_config()["options.entry_points"]["console_scripts"].strip()
    name, target = script.split(" = ")
    module, function = target.split(":")
    assert name == "gif2video"
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("gif2video_jax", "numpy jax flax tensorflow tensorflow_datasets orbax apache_beam torch"),
        ("gif2video_jax.cli", "numpy jax flax av PIL"),
        ("gif2video_jax.datasets", "jax flax"),
        ("gif2video_jax.gifs.maker", "jax flax"),
        ("gif2video_jax.gifs.reader", "jax flax av"),
        ("gif2video_jax.media", "jax flax"),
        ("gif2video_jax.describing", "jax flax"),
        ("gif2video_jax.restoring.restore", "tensorflow tensorflow_datasets apache_beam torch clu"),
    ],
)
def test_importing_brings_no_more_than_it_needs(module, absent):
    if not importlib.util.find_spec(module):
        pytest.fail(f"{module} does not exist")
    code = f"import sys, {module}; print(sorted(set({absent.split()!r}) & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_every_file_that_is_not_python_is_installed():
    patterns = []
    for package, text in setup_config()["options.package_data"].items():
        folder = ROOT / package.replace(".", "/")
        patterns += [folder / pattern for pattern in text.split()]
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            assert any(path.match(str(pattern)) for pattern in patterns), path


def test_bundled_weights_have_cards():
    for path in (PACKAGE / "weights").glob("*.safetensors"):
        name = path.name.split(".")[0]
        for suffix in ("md", "json"):
            assert (path.parent / f"{name}.{suffix}").is_file(), f"{name}.{suffix} is missing"
