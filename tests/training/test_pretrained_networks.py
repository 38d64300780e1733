"""Frozen networks from weight files and working directories, and what a training leaves behind."""

import flax.traverse_util
import jax
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.pretrained import load_network, save_network
from gif2video_jax.training.checkpoints import Checkpoints
from gif2video_jax.training.export import export
from gif2video_jax.training.tasks import make_task
from gif2video_jax.training.trained import load_config, load_trained
from gif2video_jax.training.workdir import keep_config
from tests.training.shrunk_configs import CONFIGS, batch_of, shrunk, state_of

BASE = "ccdnet1_gan_faces_nodither.py"
STANDING_ON_IT = ("ccdnet2_gan_faces_nodither.py", "interpolation_faces_joint.py")


def leaves(tree) -> dict[str, np.ndarray]:
    flat = flax.traverse_util.flatten_dict(dict(tree), sep="/")
    return {name: np.asarray(leaf) for name, leaf in flat.items()}


def assert_same(found, wanted) -> None:
    found, wanted = leaves(found), leaves(wanted)
    assert found.keys() == wanted.keys() and wanted
    for name, leaf in wanted.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


@pytest.fixture(scope="module")
def base_run(tmp_path_factory):
    """The working directory of a small CCDNet-1 with a GAN, and its averaged variables."""
    workdir = tmp_path_factory.mktemp("base")
    config = shrunk(BASE)
    task = make_task(config)
    state = state_of(task, batch_of(config.task), seed=1)
    checkpoints = Checkpoints(workdir)
    checkpoints.save(3, state)
    checkpoints.close()
    keep_config(config, str(workdir), resuming=False)
    return workdir, task.variables(state)


def fresh(name: str, **source):
    config = shrunk(name)
    config.base.update(source)
    task = make_task(config)
    return task, state_of(task, batch_of(config.task), seed=2)


@pytest.mark.parametrize("name", STANDING_ON_IT)
@pytest.mark.parametrize("kind", ["workdir", "weights"])
def test_a_frozen_network_is_the_one_that_the_config_names(name, kind, base_run, tmp_path):
    workdir, variables = base_run
    source = str(workdir)
    if kind == "weights":
        source = str(tmp_path / "base.safetensors")
        fields = shrunk(BASE).model.to_dict()
        save_network(source, "ccdnet1", fields, variables, dtype="float32", about={})
    task, state = fresh(name, **{kind: source})
    loaded = task.load_pretrained(state)
    assert_same(loaded.extra["base"], variables)
    assert_same(loaded.params, state.params)


def test_a_checkpoint_with_a_pool_is_read_whatever_its_images_size(base_run):
    """The pool's images are the run's patches; its task alone does not know their size."""
    workdir, variables = base_run
    trained = load_trained(workdir)
    assert (trained.step, trained.kind) == (3, "ccdnet1")
    assert_same(trained.variables, variables)
    images = trained.state.extra["adversary"].pool.images
    assert {leaf.shape[1:] for leaf in jax.tree.leaves(images)} == {(32, 32, 3)}


def test_a_refined_network_is_exported_whole(base_run, tmp_path):
    workdir, variables = base_run
    task, state = fresh(STANDING_ON_IT[0], workdir=str(workdir))
    state = task.load_pretrained(state)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(5, state)
    checkpoints.close()
    config = tmp_path / "config.py"
    config.write_text(
        "import json\nimport ml_collections\ndef get_config():\n"
        f"    return ml_collections.ConfigDict(json.loads({task.config.to_json()!r}))\n"
    )
    output = str(tmp_path / "net.safetensors")
    assert export(str(config), str(tmp_path), output, dtype="float32", about={}) == 5
    with pytest.raises(InputError, match="no folder .*; make it first"):
        export(str(config), str(tmp_path), f"{tmp_path}/no/net", dtype="float32", about={})
    network = load_network(output)
    assert network.kind == "ccdnet"
    assert "dtype" in task.config.model.unet and "dtype" not in network.fields["unet"]
    assert_same(network.variables["params"]["base"], variables["params"])
    assert_same(network.variables["params"]["second"], state.average["second"])


def failure(name: str, **source) -> str:
    task, state = fresh(name, **source)
    with pytest.raises(InputError) as caught:
        task.load_pretrained(state)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_cannot_be_a_base_is_named(base_run, tmp_path):
    workdir, _ = base_run
    name = STANDING_ON_IT[0]
    assert "expected either weights" in failure(name) and "got none" in failure(name)
    assert "got both" in failure(name, weights="a.safetensors", workdir="b")
    assert "none.safetensors" in failure(name, weights=str(tmp_path / "none.safetensors"))
    assert "none.pt" in failure(name, weights=str(tmp_path / "none.pt"))
    assert "no config.json there" in failure(name, workdir=str(tmp_path))
    other = str(tmp_path / "other.safetensors")
    fields = shrunk(BASE).model.to_dict()
    fields["unet"]["stage_channels"] = (6, 7)
    task = make_task(shrunk(BASE))
    task.config.model.unet.stage_channels = (6, 7)
    small = make_task(task.config)
    variables = small.variables(state_of(small, batch_of("dequantization")))
    save_network(other, "ccdnet1", fields, variables, dtype="float32", about={})
    message = failure(name, weights=other)
    assert message.startswith(f"{other}: does not fit the config") and "expected shape" in message


def test_config_files_that_are_none_are_one_line(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("def get_config():\n    return 1 / 0\n")
    for path, words in ((broken, "ZeroDivisionError"), (tmp_path / "none.py", "not a config")):
        with pytest.raises(InputError, match=words) as caught:
            load_config(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert load_config(CONFIGS / BASE).task == "dequantization"
