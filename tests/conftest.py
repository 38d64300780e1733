"""Settings that every test shares: run-time shape checks, and quiet, repeatable hypothesis runs."""

import os
import pathlib

import hypothesis
import jaxtyping
import numpy as np
import pytest

import tests.typechecking  # noqa: F401 (the hook finds it by name)

# Tests run anywhere; asking for a GPU is left to whoever sets the variable.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Every annotated function and dataclass of the package checks shapes and dtypes while tests run.
# This must come before the package's first import, which is why it is here.
jaxtyping.install_import_hook("gif2video_jax", "tests.typechecking.check")

# The same examples every time, so that a run that passed passes again; exploring is for those who
# look for mistakes: GIF2VIDEO_EXPLORE=1 draws new ones.
hypothesis.settings.register_profile(
    "default",
    deadline=None,
    max_examples=50,
    derandomize=os.environ.get("GIF2VIDEO_EXPLORE") != "1",
    database=None,
)
hypothesis.settings.load_profile("default")


def pytest_runtest_logreport(report):
    _note_skipped(report)


def pytest_collectreport(report):
    _note_skipped(report)


def _note_skipped(report):
    """Adds a file with skipped tests to those that `make test-skipped` takes.

    In each process: of files that are skipped whole, for the same reason, pytest-xdist reports one.
    """
    path = os.environ.get("GIF2VIDEO_SKIPPED")
    if path and report.skipped:
        with open(path, "a") as file:
            file.write(report.nodeid.partition("::")[0] + "\n")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> pathlib.Path:
    """A folder for `load_model`: the smallest networks that keep colours as they are.

    The dequantiser's head is zero, so a residual network gives back its input; the interpolator's
    flows and visibility are zero, so it blends.
    """
    # Imported here: not every test needs JAX.
    import jax

    from gif2video_jax.models.build import build_model, variable_shapes
    from gif2video_jax.pretrained import save_network

    folder = tmp_path_factory.mktemp("tiny_model")
    unet = {"stage_channels": (4, 4), "up_channels": (4,), "kernel_sizes": (3, 3), "norm": "none"}
    networks = {
        "dequantizer": ("ccdnet1", {"composition": "residual", "unet": unet}),
        "interpolator": ("superslomo", {"unet": unet | {"upsampling": "bilinear"}}),
    }
    for part, (kind, fields) in networks.items():
        shapes = variable_shapes(build_model(kind, fields))
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        save_network(folder / f"{part}.safetensors", kind, fields, zeros, about={"data": "none"})
    return folder


@pytest.fixture
def without_shape_checks():
    """Switches jaxtyping's checks off, to reach the package's own errors for wrong shapes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
