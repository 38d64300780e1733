"""Executables on disk: what the next process finds, and what it must not mistake for its own.

The oracle is the function itself; how often it is traced tells whether an executable was found.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.restoring import compilation
from gif2video_jax.restoring.compilation import StoredFunction, use_persistent_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder of the test's own."""
    monkeypatch.setattr(compilation, "_folder", tmp_path)
    return tmp_path


class Traced:
    """A function that counts how often it is traced."""

    def __init__(self, factor=2.0):
        self.factor = factor
        self.count = 0

    def __call__(self, weights, x):
        self.count += 1
        return self.factor * x @ weights["kernel"], x.sum()


ARGUMENTS = (
    {"kernel": np.eye(3, dtype=np.float32) * 3},
    np.arange(6, dtype=np.float32).reshape(2, 3),
)


def check(result, factor=2.0):
    np.testing.assert_allclose(result[0], factor * 3 * ARGUMENTS[1])
    np.testing.assert_allclose(result[1], 15)


def files(cache):
    return sorted(cache.glob("executables/*"))


def test_the_next_process_does_not_trace_again(cache):
    first, second = Traced(), Traced()
    check(StoredFunction(first, "double")(*ARGUMENTS))
    assert first.count == 1 and len(files(cache)) == 1
    found = StoredFunction(second, "double")
    for _ in range(2):
        check(found(*ARGUMENTS))
    assert second.count == 0 and len(files(cache)) == 1


def test_other_functions_shapes_types_and_options_are_others(cache):
    check(StoredFunction(Traced(), "double")(*ARGUMENTS))
    triple = StoredFunction(Traced(3.0), "triple")
    check(triple(*ARGUMENTS), 3.0)
    weights, x = ARGUMENTS
    assert triple(weights, x[:1])[0].shape == (1, 3)
    assert triple(weights, x.astype(np.int32))[1].dtype == jnp.int32
    with_option = StoredFunction(Traced(3.0), "triple", {"xla_cpu_enable_fast_math": False})
    check(with_option(*ARGUMENTS), 3.0)
    assert len(files(cache)) == 5


def test_other_sources_of_the_package_are_others(cache, monkeypatch):
    check(StoredFunction(Traced(), "same")(*ARGUMENTS))
    monkeypatch.setattr(compilation, "_surroundings", lambda: "another version")
    changed = Traced(4.0)
    check(StoredFunction(changed, "same")(*ARGUMENTS), 4.0)
    assert changed.count == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "pickle of something else"])
def test_a_broken_file_is_made_anew(cache, damage):
    check(StoredFunction(Traced(), "double")(*ARGUMENTS))
    (path,) = files(cache)
    whole = path.read_bytes()
    path.write_bytes({
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "text": b"no executable\n",
        "pickle of something else": b"\x80\x04K\x07.",
    }[damage])  # fmt: skip
    again = Traced()
    check(StoredFunction(again, "double")(*ARGUMENTS))
    assert again.count == 1
    last = Traced()
    check(StoredFunction(last, "double")(*ARGUMENTS))
    assert last.count == 0


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "_folder", None)
    check(StoredFunction(Traced(), "double")(*ARGUMENTS))
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_it_still_works(cache):
    (cache / "executables").write_text("a file where the folder should be")
    for _ in range(2):
        function = Traced()
        check(StoredFunction(function, "double")(*ARGUMENTS))
        assert function.count == 1


@pytest.fixture
def jax_cache(tmp_path):
    """JAX's own cache, as a user may have chosen it."""
    before = jax.config.values["jax_compilation_cache_dir"]
    yield lambda folder: jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_compilation_cache_dir", before)


def test_the_folder_is_the_users(tmp_path, monkeypatch, jax_cache):
    jax_cache(None)
    monkeypatch.setattr(compilation, "_folder", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    use_persistent_cache()
    assert compilation._folder == tmp_path / "gif2video_jax"
    assert jax.config.values["jax_compilation_cache_dir"] is None


def test_a_cache_that_the_user_chose_is_left_to_jax(tmp_path, monkeypatch, jax_cache):
    jax_cache(str(tmp_path / "jax"))
    monkeypatch.setattr(compilation, "_folder", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    use_persistent_cache()
    assert compilation._folder is None
    assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path / "jax")
    monkeypatch.setattr(compilation, "_folder", tmp_path)
    check(StoredFunction(Traced(), "double")(*ARGUMENTS))
    assert not files(tmp_path)
