"""The authors' weights, made with the same architectures in PyTorch (tests/torch_networks.py).

That outputs equal PyTorch's is tested with each network (tests/models); here it is files: both of
PyTorch's formats, folders for `load_model`, and everything that can be wrong with a file.
"""

import argparse
import os
import pickle
import zipfile

import jax
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.models.ccdnet import CCDNet, CCDNet1
from gif2video_jax.models.discriminator import Discriminator
from gif2video_jax.models.superslomo import SuperSlomo
from gif2video_jax.pretrained import load_model, load_network
from gif2video_jax.torch_files import read_checkpoint
from gif2video_jax.torch_import import import_torch, import_torch_files
from tests import oracles


@pytest.fixture(scope="module")
def torch_networks():
    oracles.require_module("torch")
    from tests import torch_networks

    return torch_networks


@pytest.fixture(scope="module")
def files(torch_networks, tmp_path_factory):
    """A file of each kind of the authors' list, of narrow networks."""
    folder = tmp_path_factory.mktemp("authors")
    nets = torch_networks
    judge = nets.randomize(nets.discriminator(ch=4), 4)
    networks = {
        "ccdnet1_gan": (nets.ColourUNet(ch=4), judge),
        "ccdnet1_nogan": (nets.ColourUNet(ch=4), None),
        "ccdnet2_12": (nets.ColourUNet(12, ch=4), judge),
        "ccdnet2_6": (nets.ColourUNet(6, ch=4), None),
        "gif2video_t8": (nets.SuperSlomo(ch=2), judge),
    }
    for seed, (name, (generator, discriminator)) in enumerate(networks.items()):
        nets.save(folder / f"{name}.pt", nets.randomize(generator, seed), discriminator)
    return {name: folder / f"{name}.pt" for name in networks}


def image(*shape):
    return np.random.default_rng(9).uniform(-1, 1, shape).astype(np.float32)


def assert_trees_equal(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_kind_of_the_authors_list_imports(files):
    assert isinstance(import_torch(files["ccdnet1_gan"])[0], CCDNet1)
    assert isinstance(import_torch(base=files["ccdnet1_nogan"])[0], CCDNet1)
    for channels in (6, 12):
        second = files[f"ccdnet2_{channels}"]
        module, variables = import_torch(base=files["ccdnet1_nogan"], second=second)
        assert isinstance(module, CCDNet) and module.requantize == (channels == 12)
        stem = variables["params"]["second"]["stem"]["convolution_0"]["kernel"]
        assert stem.shape == (3, 3, channels, 4)
        assert_trees_equal(import_torch(files["ccdnet1_nogan"], second=second)[1], variables)
    assert isinstance(import_torch(files["gif2video_t8"])[0], SuperSlomo)
    assert isinstance(import_torch(interpolator=files["gif2video_t8"])[0], SuperSlomo)
    for name in ("ccdnet1_gan", "ccdnet2_12", "gif2video_t8"):
        assert isinstance(import_torch(discriminator=files[name])[0], Discriminator)


@pytest.mark.parametrize("channels", [6, 12])
def test_apply_gives_the_image_itself(files, channels):
    module, variables = import_torch(base=files["ccdnet1_gan"], second=files[f"ccdnet2_{channels}"])
    palette = np.zeros((1, 256, 3), np.uint8)
    extra = (palette, np.array([1])) if channels == 12 else ()
    result = jax.jit(module.apply)(variables, image(1, 17, 23, 3), *extra)
    assert result.shape == (1, 17, 23, 3) and result.dtype == np.float32
    assert np.abs(result).max() <= 1


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_both_formats_of_pytorch_give_the_same_arrays(torch_networks, tmp_path, legacy):
    import torch

    network = torch_networks.randomize(torch_networks.ColourUNet(ch=2), 5)
    path = tmp_path / "a.pt"
    torch_networks.save(
        path,
        network,
        legacy=legacy,
        options=argparse.Namespace(lr=1e-3),
        best=np.float64(31.5),
        epoch=60,
        history=[1.0, (2, "three")],
        views=torch.arange(12.0).view(3, 4).t()[1:],
        halves=torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
    )
    ours = read_checkpoint(path)
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(ours["model_netG"][name], tensor.numpy())
    assert ours["epoch"] == 60 and ours["history"] == [1.0, (2, "three")]
    assert ours["options"] is None and ours["best"] is None
    np.testing.assert_array_equal(ours["views"], np.arange(12.0).reshape(3, 4).T[1:])
    np.testing.assert_array_equal(ours["halves"].astype(np.float32), [1, 1])
    import_torch(path)


def test_names_that_data_parallel_adds_are_taken_away(torch_networks, files, tmp_path):
    import torch

    for name, prefix in (("ccdnet1_nogan", "module."), ("gif2video_t8", "")):
        state = torch.load(files[name], weights_only=True)["model_netG"]
        if prefix:
            renamed = {prefix + key: value for key, value in state.items()}
        else:
            renamed = {key.replace(".", ".module.", 1): value for key, value in state.items()}
        path = torch_networks.save(tmp_path / f"{name}.pt", renamed)
        assert_trees_equal(import_torch(path)[1], import_torch(files[name])[1])


def test_a_bare_state_dictionary_imports(torch_networks, files, tmp_path):
    import torch

    state = torch.load(files["ccdnet1_nogan"], weights_only=True)["model_netG"]
    torch.save(state, tmp_path / "bare.pt")
    assert_trees_equal(
        import_torch(tmp_path / "bare.pt")[1], import_torch(files["ccdnet1_nogan"])[1]
    )


def test_double_precision_becomes_float32(torch_networks, files, tmp_path):
    network = torch_networks.randomize(torch_networks.ColourUNet(ch=2), 5).double()
    _, variables = import_torch(torch_networks.save(tmp_path / "d.pt", network))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}


def test_the_folder_is_a_model(files, tmp_path):
    folder = tmp_path / "weights"
    written = import_torch_files(
        folder,
        base=files["ccdnet1_nogan"],
        second=files["ccdnet2_12"],
        interpolator=files["gif2video_t8"],
        discriminator=files["gif2video_t8"],
    )
    assert sorted(os.path.basename(path) for path in written) == [
        "dequantizer.safetensors",
        "discriminator.safetensors",
        "interpolator.safetensors",
    ]
    model = load_model(folder)
    module, variables = import_torch(base=files["ccdnet1_nogan"], second=files["ccdnet2_12"])
    assert model.dequantizer.module == module
    assert_trees_equal(model.dequantizer.variables, variables)
    module, variables = import_torch(files["gif2video_t8"])
    assert model.interpolator.module == module
    assert_trees_equal(model.interpolator.variables, variables)
    assert isinstance(load_network(folder / "discriminator.safetensors").module, Discriminator)
    origin = model.dequantizer.about["imported_from"]
    assert [source["name"] for source in origin] == ["ccdnet1_nogan.pt", "ccdnet2_12.pt"]
    assert len(origin[0]["sha256"]) == 64


def test_networks_are_not_overwritten_unless_asked(files, tmp_path):
    import_torch_files(tmp_path, base=files["ccdnet1_nogan"])
    with pytest.raises(InputError, match=r"dequantizer\.safetensors: exists already"):
        import_torch_files(tmp_path, base=files["ccdnet1_gan"], interpolator=files["gif2video_t8"])
    assert [path.name for path in tmp_path.iterdir()] == ["dequantizer.safetensors"]
    import_torch_files(tmp_path, interpolator=files["gif2video_t8"])
    import_torch_files(tmp_path, base=files["ccdnet1_gan"], overwrite=True)
    model = load_model(tmp_path)
    assert_trees_equal(model.dequantizer.variables, import_torch(files["ccdnet1_gan"])[1])
    assert model.interpolator is not None


def test_a_folder_that_cannot_be_made_says_so(files, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write there"):
        import_torch_files(tmp_path / "file" / "folder", base=files["ccdnet1_nogan"])


def test_wrong_arguments_are_rejected(files, tmp_path):
    with pytest.raises(ValueError, match="expected the file or files of one network"):
        import_torch()
    with pytest.raises(ValueError, match="expected the file or files of one network"):
        import_torch(base=files["ccdnet1_gan"], interpolator=files["gif2video_t8"])
    with pytest.raises(ValueError, match="either path or named files, got both"):
        import_torch(files["ccdnet1_gan"], base=files["ccdnet1_gan"])
    with pytest.raises(InputError, match="nothing to import"):
        import_torch_files(tmp_path)


def test_networks_in_each_others_place_are_named(files):
    with pytest.raises(
        InputError,
        match=r"ccdnet2_12\.pt: inconv\.0\.weight: expected shape \(4, 3, 3, 3\), "
        r"got \(4, 12, 3, 3\) \(this is CCDNet-2's second network",
    ):
        import_torch(files["ccdnet2_12"])
    with pytest.raises(InputError, match="give the file of its base"):
        import_torch(second=files["ccdnet2_12"])
    with pytest.raises(InputError, match=r"expected 12 or 6 input channels.*\(4, 3, 3, 3\)"):
        import_torch(base=files["ccdnet1_gan"], second=files["ccdnet1_nogan"])
    with pytest.raises(InputError, match=r"inconv\.0\.weight: missing; .* netA\.inconv"):
        import_torch(base=files["gif2video_t8"])
    with pytest.raises(InputError, match=r"netA\.inconv\.0\.weight: missing"):
        import_torch(interpolator=files["ccdnet1_gan"])
    with pytest.raises(InputError, match=r"expected a network under model_netD, got model_netG"):
        import_torch(discriminator=files["ccdnet1_nogan"])


@pytest.mark.parametrize(
    ("name", "key", "shape", "message"),
    [
        ("ccdnet1_nogan", "outconv.bias", None, r"outconv.bias: missing; expected shape \(3,\)"),
        (
            "ccdnet1_nogan",
            "upconv2.up.weight",
            (16, 16, 3, 3),
            r"\(16, 16, 2, 2\), got \(16, 16, 3",
        ),
        ("ccdnet1_nogan", "downconv2.1.0.weight", None, "downconv2.1.0.weight: missing"),
        ("ccdnet1_nogan", "downconv2.1.0.weight", (4, 4), r"expected 4 axes, got shape \(4, 4\)"),
        ("ccdnet1_nogan", "inconv.1.running_var", (5,), r"expected shape \(4,\), got \(5,\)"),
        ("ccdnet1_nogan", "extra.weight", (2, 3), r"extra.weight: unknown key, of shape \(2, 3\)"),
        ("gif2video_t8", "netB.outconv.weight", (4, 2, 1, 1), r"\(5, 2, 1, 1\), got \(4, 2, 1, 1"),
        ("gif2video_t8", "netC.outconv.weight", (4, 2, 1, 1), "netC.outconv.weight: unknown key"),
    ],
)
def test_arrays_that_do_not_fit_are_named_with_both_shapes(
    torch_networks, files, tmp_path, name, key, shape, message
):
    import torch

    state = torch.load(files[name], weights_only=True)["model_netG"]
    if shape is None:
        del state[key]
    else:
        state[key] = torch.zeros(shape)
    path = torch_networks.save(tmp_path / "bad.pt", state)
    with pytest.raises(InputError, match=message) as caught:
        import_torch(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_truncated_file_says_so(torch_networks, tmp_path, legacy):
    network = torch_networks.ColourUNet(ch=2)
    path = torch_networks.save(tmp_path / "cut.pt", network, legacy=legacy)
    content = path.read_bytes()
    for keep in [0, 1, 3, 10, 100, 1000, *range(5000, len(content), 9973), len(content) - 1]:
        path.write_bytes(content[:keep])
        with pytest.raises(InputError, match=r"cut\.pt: (not a whole|truncated)"):
            import_torch(path)


def test_files_of_another_kind_say_so(tmp_path):
    def error_of(path):
        with pytest.raises(InputError) as caught:
            import_torch(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no such file" in error_of(tmp_path / "none.pt")
    assert "a folder; expected a PyTorch checkpoint" in error_of(tmp_path)
    path = tmp_path / "a.pt"
    path.write_text("GIF89a, say")
    assert "not a whole PyTorch checkpoint" in error_of(path)
    path.write_bytes(pickle.dumps({"model_netG": {}}))
    assert "not a PyTorch checkpoint" in error_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello", "world")
    assert "it has no data.pkl" in error_of(path)


class Attack:
    """Runs code of an attacker's choice when a careless reader unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_code_in_a_file_does_not_run(torch_networks, tmp_path, legacy):
    mark = tmp_path / "mark"
    path = tmp_path / "attack.pt"
    network = torch_networks.ColourUNet(ch=2)
    torch_networks.save(path, network, legacy=legacy, options=Attack(mark))
    with pytest.raises(InputError, match=r"attack\.pt: asks for \w+\.mkdir.* refused"):
        import_torch(path)
    assert not mark.exists()


def test_a_network_saved_whole_is_refused(torch_networks, tmp_path):
    import torch

    torch.save({"model_netG": torch_networks.ColourUNet(ch=2)}, tmp_path / "whole.pt")
    with pytest.raises(InputError, match=r"ColourUNet, which no weights need.*state_dict"):
        import_torch(tmp_path / "whole.pt")


def test_a_tensor_outside_its_storage_is_refused(torch_networks, tmp_path):
    """A forged shape must not read memory that is not the file's."""
    import torch

    torch.save({"a": torch.zeros(77)}, tmp_path / "forged.pt")
    with zipfile.ZipFile(tmp_path / "forged.pt") as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    name = "forged/data.pkl"
    # The only one-byte numbers 77 are the storage's size and the shape, in this order.
    size_at = entries[name].index(b"K\x4d")
    shape_at = entries[name].index(b"K\x4d", size_at + 1)
    forged = bytearray(entries[name])
    forged[shape_at + 1] = 99
    with zipfile.ZipFile(tmp_path / "forged.pt", "w") as archive:
        for filename, content in entries.items():
            archive.writestr(filename, bytes(forged) if filename == name else content)
    with pytest.raises(InputError, match=r"shape \(99,\) does not fit its 77 stored numbers"):
        import_torch(tmp_path / "forged.pt")
