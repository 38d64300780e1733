"""Networks and models as files: what is saved comes back, and what is broken says how."""

import json
import struct
import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
import safetensors.numpy

from gif2video_jax import pretrained
from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.models.superslomo import SuperSlomo
from gif2video_jax.pretrained import list_models, load_model, load_network, save_network
from tests.random_variables import random_variables

UNET = {"stage_channels": (4, 8), "up_channels": (4,), "kernel_sizes": (3, 3), "norm": "batch"}
FLOW = UNET | {"norm": "none", "upsampling": "bilinear"}
ABOUT = {"data": "noise", "steps": 7, "licence": "Apache-2.0", "results": {"psnr": 30.5}}


@pytest.fixture(scope="module")
def network():
    module = build_model("ccdnet1", {"unet": UNET})
    return module, random_variables(module, 0)


@pytest.fixture
def saved(tmp_path, network):
    path = tmp_path / "network.safetensors"
    save_network(path, "ccdnet1", {"unet": UNET}, network[1], about=ABOUT)
    return path


def assert_trees_equal(first, second, **tolerance):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


@pytest.mark.parametrize(
    ("dtype", "error"), [("float32", 0), ("float16", 1e-3), ("bfloat16", 1e-2)]
)
def test_what_is_saved_comes_back(tmp_path, network, dtype, error):
    module, variables = network
    path = tmp_path / "network.safetensors"
    save_network(path, "ccdnet1", {"unet": UNET}, variables, dtype=dtype, about=ABOUT)
    loaded = load_network(path)
    assert loaded.module == module and loaded.kind == "ccdnet1" and loaded.about == ABOUT
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(loaded.variables))
    assert_trees_equal(loaded.variables["params"], variables["params"], rtol=error, atol=1e-6)
    assert_trees_equal(loaded.variables["batch_stats"], variables["batch_stats"], rtol=0)
    size = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert path.stat().st_size < size * (4 if dtype == "float32" else 2) + 10_000
    assert list(tmp_path.iterdir()) == [path], "something was left beside it"


def test_names_in_the_file_are_paths(saved):
    arrays = safetensors.numpy.load_file(saved)
    assert arrays["params/unet/stem/convolution_0/kernel"].shape == (3, 3, 3, 4)
    assert "batch_stats/unet/stem/norm_0/mean" in arrays


def test_a_loaded_network_runs(saved, network):
    gif = np.random.default_rng(1).uniform(-1, 1, (1, 9, 12, 3)).astype(np.float32)
    loaded = load_network(saved)
    result = jax.jit(loaded.module.apply)(loaded.variables, gif)
    np.testing.assert_allclose(result, jax.jit(network[0].apply)(network[1], gif), atol=5e-3)


def test_fields_of_a_config_are_understood(tmp_path, network):
    config = ml_collections.ConfigDict({"unet": UNET | {"dtype": jnp.bfloat16}})
    save_network(tmp_path / "n.safetensors", "ccdnet1", config, network[1], about={})
    assert load_network(tmp_path / "n.safetensors").module.unet["dtype"] == jnp.bfloat16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "resnet"}, "expected one of ccdnet1, .*, got 'resnet'"),
        ({"fields": {"unet": UNET, "depth": 3}}, "unknown fields depth"),
        ({"dtype": "int8"}, "dtype: expected one of float32, float16, bfloat16, got 'int8'"),
        (
            {"fields": {"unet": UNET | {"stage_channels": (4, 16)}}},
            r"batch_stats/unet/down_1/norm_0/mean: expected shape \(16,\), got \(8,\)",
        ),
    ],
)
def test_what_does_not_fit_is_not_saved(tmp_path, network, change, message):
    arguments = {"kind": "ccdnet1", "fields": {"unet": UNET}, "dtype": "float16"} | change
    with pytest.raises(ValueError, match=message):
        save_network(tmp_path / "n.safetensors", variables=network[1], about={}, **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "message"), [(1e6, "leaves the range of float16"), (np.nan, "is not finite")]
)
def test_values_that_the_file_cannot_hold_are_not_saved(tmp_path, network, value, message):
    variables = jax.tree.map(jnp.array, network[1])
    variables["params"]["unet"]["head"]["bias"] = jnp.full(3, value)
    with pytest.raises(ValueError, match=f"params/unet/head/bias: a value {message}"):
        save_network(tmp_path / "n.safetensors", "ccdnet1", {"unet": UNET}, variables, about={})


@pytest.mark.parametrize("keep", [0, 5, 300, -1])
def test_a_truncated_file_says_so(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"network\.safetensors: not a whole safetensors file"):
        load_network(saved)


def rewrite(path, arrays=None, **metadata):
    """Writes a network's file again with other arrays or metadata (None takes one away)."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])["__metadata__"]
    header = {k: v for k, v in (header | metadata).items() if v is not None}
    safetensors.numpy.save_file(
        safetensors.numpy.load_file(path) if arrays is None else arrays, path, header
    )


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"kind": None}, "a safetensors file, but not a network of gif2video"),
        ({"kind": "resnet"}, "expected a network of ccdnet1, ccdnet, .*, got 'resnet'"),
        ({"format_version": "9"}, "expected format version 1, got 9"),
        ({"fields": '{"unet": {}, "x": 1}'}, "unknown fields x"),
        ({"fields": '{"unet": {"depth": 1}}'}, "depth"),
        ({"fields": '{"unet": {"stage_channels": "ab"}}'}, "network.safetensors: "),
        ({"fields": "{"}, "network.safetensors: "),
        ({"fields": None}, "fields"),
    ],
)
def test_metadata_that_do_not_fit_say_so(saved, metadata, message):
    rewrite(saved, **metadata)
    with pytest.raises(InputError, match=message) as caught:
        load_network(saved)
    assert str(saved) in str(caught.value) and "\n" not in str(caught.value)


def test_arrays_that_do_not_fit_are_named_with_both_shapes(saved):
    arrays = safetensors.numpy.load_file(saved)
    name = "params/unet/head/bias"
    rewrite(saved, {k: v for k, v in arrays.items() if k != name})
    with pytest.raises(InputError, match=rf"{name}: missing; CCDNet1 needs it with shape \(3,\)"):
        load_network(saved)
    rewrite(saved, arrays | {name: np.zeros(5, np.float32)})
    with pytest.raises(InputError, match=rf"{name}: expected shape \(3,\), got \(5,\)"):
        load_network(saved)
    rewrite(saved, arrays | {"params/tail": np.zeros((2, 4), np.float32)})
    with pytest.raises(InputError, match=r"params/tail: CCDNet1 has no such array .*\(2, 4\)"):
        load_network(saved)


def test_what_is_no_file_says_so(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors: no such file"):
        load_network(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="a folder; expected a safetensors file"):
        load_network(tmp_path)


@pytest.fixture
def bundle(tmp_path, monkeypatch, network):
    """A folder of bundled models: one of two networks with its card, one of one without."""
    folder = tmp_path / "gif2video_jax" / "weights"
    folder.mkdir(parents=True)
    monkeypatch.setattr(pretrained.importlib.resources, "files", lambda package: tmp_path / package)
    flow = random_variables(build_model("superslomo", {"unet": FLOW}), 1)
    save_network(
        folder / "default.dequantizer.safetensors", "ccdnet1", {"unet": UNET}, network[1], about={}
    )
    save_network(
        folder / "default.interpolator.safetensors", "superslomo", {"unet": FLOW}, flow, about={}
    )
    save_network(
        folder / "fast.dequantizer.safetensors", "ccdnet1", {"unet": UNET}, network[1], about={}
    )
    (folder / "default.json").write_text(json.dumps({"summary": "good"}))
    return folder


def test_bundled_models_are_listed(bundle):
    default, fast = list_models()
    assert (default.name, fast.name) == ("default", "fast")
    assert default.parts == ("dequantizer", "interpolator") and fast.parts == ("dequantizer",)
    assert default.facts == {"summary": "good"} and fast.facts == {}
    sizes = [path.stat().st_size for path in bundle.glob("default.*.safetensors")]
    assert default.size == sum(sizes)


def test_a_model_loads_by_name(bundle):
    model = load_model()
    assert model.name == "default" and model.card.facts == {"summary": "good"}
    assert model.dequantizer.kind == "ccdnet1" and model.interpolator.kind == "superslomo"
    assert load_model("fast").interpolator is None


def test_a_folder_works_like_a_name(bundle, tmp_path, network):
    folder = tmp_path / "mine"
    folder.mkdir()
    path = folder / "dequantizer.safetensors"
    save_network(path, "ccdnet1", {"unet": UNET}, network[1], dtype="float32", about=ABOUT)
    model = load_model(folder)
    assert model.interpolator is None and model.dequantizer.about == ABOUT
    assert model.name == str(folder) and model.card.size == path.stat().st_size
    assert_trees_equal(model.dequantizer.variables, network[1], rtol=0)


def test_a_gif_compressed_lossily_has_its_own_dequantizer(tmp_path, network):
    for name in ("dequantizer", "dequantizer_lossy"):
        save_network(
            tmp_path / f"{name}.safetensors", "ccdnet1", {"unet": UNET}, network[1], about=ABOUT
        )
    model = load_model(tmp_path)
    assert model.dequantizer_for(lossy=False) is model.dequantizer
    assert model.dequantizer_for(lossy=True) is model.dequantizer_lossy is not None
    (tmp_path / "dequantizer_lossy.safetensors").unlink()
    model = load_model(tmp_path)
    assert model.dequantizer_for(lossy=True) is model.dequantizer


def test_a_network_without_weights_is_a_file_like_others(tmp_path):
    fields = {"unet": None, "pyramid_iterations": 2, "choose_motion": "likelihood"}
    save_network(tmp_path / "interpolator.safetensors", "superslomo", fields, {}, about=ABOUT)
    network = load_model(tmp_path).interpolator
    assert network.module == SuperSlomo(**fields) and network.variables == {}
    assert network.about == ABOUT


def test_an_unknown_name_lists_what_there_is(bundle, tmp_path):
    with pytest.raises(
        InputError, match="best: no such model or folder; bundled models: default, fast"
    ):
        load_model("best")
    with pytest.raises(InputError, match="expected dequantizer.safetensors, interpolator"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="a file, not a folder"):
        load_model(bundle / "fast.dequantizer.safetensors")


def test_networks_in_each_others_place_are_rejected(bundle, tmp_path):
    (tmp_path / "interpolator.safetensors").write_bytes(
        (bundle / "fast.dequantizer.safetensors").read_bytes()
    )
    with pytest.raises(InputError, match="expected a network of kind superslomo, got ccdnet1"):
        load_model(tmp_path)


def test_a_broken_card_says_so(bundle):
    (bundle / "default.json").write_text("[1]")
    with pytest.raises(InputError, match=r"default\.json: expected a JSON object, got list"):
        list_models()
    (bundle / "default.json").write_text("{")
    with pytest.raises(InputError, match=r"default\.json: no JSON"):
        load_model()


def test_every_bundled_model_loads_and_says_where_it_comes_from():
    for card in list_models():
        model = load_model(card.name)
        assert model.dequantizer or model.interpolator
        assert card.facts, f"{card.name}: a bundled model needs its card"
        assert card.size <= 30e6


def test_importing_brings_no_training_library():
    heavy = ["torch", "tensorflow", "orbax", "tensorflow_datasets", "apache_beam"]
    code = (
        "import sys, gif2video_jax.pretrained, gif2video_jax.torch_import\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
