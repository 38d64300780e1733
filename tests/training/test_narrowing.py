"""Narrowing: exact where nothing that matters is lost; the oracle is the wide network itself."""

import dataclasses

import jax
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.network_files import Network, load_network, save_network
from gif2video_jax.training.narrowing import narrow_file, narrowed
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.train import start_from
from tests.random_variables import random_variables
from tests.training.miniature_corpus import write_corpus
from tests.training.small_configs import write_config

WIDE = {
    "stage_channels": (4, 6, 8),
    "up_channels": (6, 4),
    "kernel_sizes": (3, 3, 3),
    "norm": "none",
    "negative_slope": 0.1,
    "residual_stages": True,
    "stage_blocks": (0, 1, 2),
    "up_blocks": (1, 2),
    "stem_factor": 2,
    "upsampling": "transposed",
}
FIELDS = {"composition": "residual"}


def network(unet=WIDE, seed=0):
    fields = {**FIELDS, "unet": unet}
    module = build_model("ccdnet1", fields)
    variables = jax.tree.map(np.array, random_variables(module, seed))
    return Network(module, variables, kind="ccdnet1", fields=fields)


def frames(seed=1, side=32):
    return np.random.default_rng(seed).uniform(-1, 1, (2, side, side, 3)).astype(np.float32)


def run(unet, variables, gif):
    return np.asarray(
        jax.jit(build_model("ccdnet1", {**FIELDS, "unet": unet}).apply)(variables, gif)
    )


def test_the_same_size_is_the_same_network():
    wide, gif = network(), frames()
    same = narrowed(wide, WIDE, gif, None)
    expected = dict(wide.variables)
    assert jax.tree.structure(same) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), same, expected)


def test_channels_that_nothing_reads_and_blocks_that_do_nothing_are_left_out():
    wide, gif = network(seed=2), frames(3)
    params = wide.variables["params"]["unet"]
    # Channels 1 and 3 of the quarter size are read by nobody; the last block there adds nothing.
    for reader in ("convolution_1", "block_0_in"):
        params["down_1"][reader]["kernel"][:, :, [1, 3]] = 0
    params["down_2"]["convolution_0"]["kernel"][:, :, [1, 3]] = 0
    params["up_1"]["convolution_0"]["kernel"][:, :, [1, 3]] = 0
    params["down_1"]["block_0_out"]["kernel"][:, :, [0, 5]] = 0
    params["down_2"]["block_1_out"]["kernel"][:] = 0
    params["down_2"]["block_1_out"]["bias"][:] = 0
    unet = {**WIDE, "stage_channels": (4, 4, 8), "stage_blocks": (0, 1, 1)}
    narrow = narrowed(wide, unet, gif, None)
    assert narrow["params"]["unet"]["down_1"]["convolution_0"]["kernel"].shape == (3, 3, 4, 4)
    assert "block_1_in" not in narrow["params"]["unet"]["down_2"]
    result, expected = run(unet, narrow, gif), run(WIDE, wide.variables, gif)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_networks_without_blocks_need_not_say_so():
    fields = {name: value for name, value in WIDE.items() if not name.endswith("blocks")}
    narrow = narrowed(network(fields), fields, frames(), None)
    assert set(narrow["params"]["unet"]["down_1"]) == {"convolution_0", "convolution_1"}


def test_a_channel_that_is_always_the_same_moves_into_the_biases():
    wide, gif = network(seed=4), frames(5, side=64)
    params = wide.variables["params"]["unet"]
    for name in ("convolution_0", "convolution_1"):
        params["up_2"][name]["kernel"][..., 2] = 0
    for index in range(2):
        params["up_2"][f"block_{index}_out"]["kernel"][..., 2] = 0
        params["up_2"][f"block_{index}_out"]["kernel"][:, :, 1] = 0
        params["up_2"][f"block_{index}_out"]["bias"][2] = 0
    params["up_2"]["convolution_0"]["bias"][2] = 3.0
    unet = {**WIDE, "up_channels": (6, 3)}
    result = run(unet, narrowed(wide, unet, gif, None), gif)
    # Close to the border blocks read zeros, not the channel: two blocks of 3x3 at half size.
    inside = np.s_[:, 16:-16, 16:-16]
    np.testing.assert_allclose(result[inside], run(WIDE, wide.variables, gif)[inside], atol=1e-4)


def test_enlarged_channels_of_low_rank_are_projected_without_loss():
    wide, gif = network(seed=6), frames(7)
    params = wide.variables["params"]["unet"]
    rng = np.random.default_rng(8)
    for name, rank in (("enlarge_1", 6), ("enlarge_2", 4)):
        mix = rng.normal(size=(rank, params[name]["bias"].size)).astype(np.float32)
        params[name]["kernel"] = params[name]["kernel"][..., :rank] @ mix
        params[name]["bias"] = params[name]["bias"][:rank] @ mix
    unet = {**WIDE, "upsampling": "transposed_narrow"}
    narrow = narrowed(wide, unet, gif, None)
    assert narrow["params"]["unet"]["enlarge_1"]["kernel"].shape == (2, 2, 8, 6)
    np.testing.assert_allclose(
        run(unet, narrow, gif), run(WIDE, wide.variables, gif), rtol=1e-2, atol=1e-2
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage_channels": (4, 8, 8)}, "unet.stage_channels: expected 3 numbers of at most"),
        ({"up_blocks": (1,)}, "unet.up_blocks: expected 2 numbers of at most"),
        ({"stem_factor": 1}, "unet.stem_factor: expected the wide network's 2, got 1"),
    ],
)
def test_what_is_not_narrower_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        narrowed(network(), {**WIDE, **change}, frames(), None)


def test_a_wide_network_with_normalisation_is_refused():
    wide = network()
    module = dataclasses.replace(wide.module, unet={**WIDE, "norm": "layer"})
    with pytest.raises(InputError, match="expected norm 'none' and residual_stages"):
        narrowed(dataclasses.replace(wide, module=module), WIDE, frames(), None)


def test_a_narrow_file_starts_a_training(tmp_path):
    wide = network(seed=9)
    save_network(
        tmp_path / "wide.safetensors",
        "ccdnet1",
        wide.fields,
        wide.variables,
        dtype="float32",
        about={},
    )
    unet = {**WIDE, "stage_channels": (4, 5, 6), "up_channels": (5, 4)}
    fields = {"task": "dequantization", "model": {**FIELDS, "unet": unet}}
    config = write_config(tmp_path / "narrow.py", fields)
    corpus = str(write_corpus(tmp_path / "corpus.zip", size=(150, 160)))
    output = str(tmp_path / "narrow.safetensors")
    narrow_file(str(tmp_path / "wide.safetensors"), config, output, corpus=corpus, num_frames=2)
    params = load_network(output).variables["params"]
    zeros = jax.tree.map(lambda x: jax.numpy.zeros(x.shape), params)
    state = TrainState(step=0, params=zeros, model_state={}, optimizer_state=None, average=zeros)
    started = start_from(output, state)
    jax.tree.map(np.testing.assert_array_equal, started.params, params)
    jax.tree.map(np.testing.assert_array_equal, started.average, params)
    with pytest.raises(InputError, match=r"wide\.safetensors holds another network"):
        start_from(str(tmp_path / "wide.safetensors"), state)
    with pytest.raises(InputError, match="no such folder"):
        narrow_file(output, config, str(tmp_path / "no" / "x.safetensors"), corpus=corpus)
