"""Settings that every test shares: run-time shape checks, and quiet, repeatable hypothesis runs."""

import os

import hypothesis
import jaxtyping
import pytest

import tests.typechecking  # noqa: F401 (the hook finds it by name)

# Tests run anywhere; asking for a GPU is left to whoever sets the variable.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Every annotated function and dataclass of the package checks shapes and dtypes while tests run.
# This must come before the package's first import, which is why it is here.
jaxtyping.install_import_hook("gif2video_jax", "tests.typechecking.check")

hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.load_profile("default")


@pytest.fixture
def without_shape_checks():
    """Switches jaxtyping's checks off, to reach the package's own errors for wrong shapes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
