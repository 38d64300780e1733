"""benchmarks/config_points.py: that its changes fit the configs, and that its order serves."""

import argparse
import importlib.util
import pathlib

import pytest

from gif2video_jax.training.tasks import make_task
from gif2video_jax.training.trained import load_config

ROOT = pathlib.Path(__file__).parents[2]


def load_script():
    path = ROOT / "benchmarks" / "config_points.py"
    spec = importlib.util.spec_from_file_location("config_points", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


points = load_script()


def test_each_config_comes_after_those_that_it_needs():
    names = points.config_names()
    assert len(names) >= 19 and {"ccdnet1_gan_moments_nodither", "combcn_faces_2d"} <= set(names)
    for name in names:
        for needed in (points.BASES.get(name), points.STARTS.get(name)):
            assert needed is None or names.index(needed) < names.index(name)


@pytest.mark.parametrize("name", points.config_names())
def test_its_changes_are_fields_of_the_config(name, tmp_path, monkeypatch):
    monkeypatch.setattr(points, "rendered_clips", lambda options: tmp_path)
    options = argparse.Namespace(
        steps=40, dtype="bfloat16", corpus="corpus.zip", output=pathlib.Path("points")
    )
    config = load_config(str(ROOT / "configs" / f"{name}.py"))
    for field, value in points.changes(name, options).items():
        section = config
        *path, last = field.split(".")
        for part in path:
            section = section[part]
        assert last in section, f"{name} has no field {field}"
        if isinstance(value, (int, float)):
            assert isinstance(section[last], (int, float)), field
        section[last] = str(value) if isinstance(value, pathlib.Path) else value
    if "base" not in config:  # else it needs what is not there yet
        make_task(config)
    assert ("base.workdir" in points.changes(name, options)) == ("base" in config)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("ccdnet1_faces_dither", "32/minimum_variance/floyd_steinberg"),
        ("ccdnet2_gan_faces_nodither", "32/minimum_variance/none"),
        ("ccdnet1_gan_faces_dither_nodither", "wild"),
        ("interpolation_moments_joint", "32/minimum_variance/none"),
    ],
)
def test_gifs_are_of_the_configs_kind(name, recipe):
    assert points.recipe(name) == recipe
