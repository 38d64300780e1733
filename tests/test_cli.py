"""The command as a person meets it: what it prints, its exit codes, what it leaves behind."""

import argparse
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from PIL import Image

from gif2video_jax import cli, cli_output
from gif2video_jax.gifs import maker
from gif2video_jax.gifs.reader import read_gif
from tests import gif_builder

ROOT = pathlib.Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "samples" / "bunny.gif"


@pytest.fixture
def gif(tmp_path):
    """A small GIF of three frames whose colours were reduced: 48x32, 0.3 s."""
    y, x = np.mgrid[:32, :48]
    frames = [
        np.stack([x * 5, y * 7, (x + y + 20 * k) * 2], axis=-1).astype(np.uint8) for k in range(3)
    ]
    path = tmp_path / "in" / "small.gif"
    path.parent.mkdir()
    maker.make_gif(frames, path, rate=10, num_colors=16)
    return path


def run(*arguments, **options):
    """Runs the command as a program of its own."""
    command = [sys.executable, "-m", "gif2video_jax.cli", *map(str, arguments)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, **options
    )


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_help_lists_the_commands_and_exits_with_0(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for command in ("restore", "make-gif", "compare", "info", "models", "import-torch"):
        assert command in text


@pytest.mark.parametrize("command", ["restore", "inpaint"])
def test_help_tells_the_defaults_that_other_modules_decide(command, capsys):
    from gif2video_jax.gifs.scenes import DEFAULT_THRESHOLD
    from gif2video_jax.media.formats import FORMATS

    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    mp4, mkv, webm, webp = (FORMATS[name].default_crf for name in ("mp4", "mkv", "webm", "webp"))
    assert mp4 == mkv
    assert f"(default: {mp4} for MP4 and MKV, {webm} for WebM, {webp} for WebP)" in text
    assert f"the fewer cuts (default: {DEFAULT_THRESHOLD})" in text
    assert "`gif2video models` (default: default)" in text


def test_help_is_quick():
    start = time.perf_counter()
    assert run("--help").returncode == 0
    assert time.perf_counter() - start < 1  # 0.06 s measured; a busy machine may take longer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required"),
        (["retsore"], "invalid choice: 'retsore'"),
        (["restore", "a.gif"], "required: -o"),
        (["restore", "a.gif", "-o", "b.mp4", "--fps", "0"], "fps: expected above 0"),
        (["restore", "a.gif", "-o", "b.mp4", "--fps", "fast"], "expected a number, got 'fast'"),
        (["restore", "a.gif", "-o", "b.mp4", "--fps", "1/0"], "expected a number, got '1/0'"),
        (["restore", "a.gif", "-o", "b.mp4", "--fps", "9", "--multiplier", "2"], "not allowed"),
        (["restore", "a.gif", "-o", "b.mp4", "--crf", "9", "--lossless"], "not allowed"),
        (["restore", "a.gif", "-o", "b.mp4", "--loop", "maybe"], "invalid choice: 'maybe'"),
        (["restore", "a.gif", "-o", "b.mp4", "--background", "red"], "expected RRGGBB"),
        (["restore", "a.gif", "-o", "b.mp4", "--strength", "2"], "strength: expected 0 to 1"),
        (["restore", "a.gif", "-o", "b.mp4", "--tile", "100"], "multiple of 16"),
        (["restore", "a.gif", "-o", "b.mp4", "--start", "2", "--end", "1"], "end: expected a time"),
        (["restore", "a.gif", "-o", "b.mp4", "--scene-threshold", "9"], "expected 0 to 1"),
        (["restore", "a.gif", "b.gif", "-o", "c.mp4"], "several GIFs need a folder"),
        (["restore", "a.gif", "x/a.gif", "-o", "c/"], "would both become c/a.mp4"),
        (["make-gif", "a.mp4", "-o", "b.gif", "--colors", "1"], "2 to 256, got '1'"),
        (["make-gif", "a.mp4", "-o", "b.gif", "--colors", "many"], "got 'many'"),
        (["make-gif", "a.mp4", "-o", "b.gif", "--fps", "51"], "at most 50"),
        (["make-gif", "a.mp4", "-o", "b.gif", "--width", "0"], "1 or more, got '0'"),
        (["make-gif", "a.mp4", "-o", "b.gif", "--lossy", "-1"], "0 or more, got '-1'"),
        (["make-gif", "a.mp4", "-o", "b.gif", "--dither", "snow"], "floyd_steinberg"),
        (["make-gif", "a.mp4", "-o", "b.gif", "--quantizer", "mine"], "median_cut"),
        (["info", "a.gif", "--max-pixels", "-1"], "1 or more, got '-1'"),
        (["import-torch", "-o", "x"], "nothing to import"),
        (["import-torch", "-o", "x", "--second", "b.pt", "--interpolator", "c.pt"], "needs --base"),
    ],
)
def test_wrong_usage_says_what_was_expected_and_exits_with_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert message in printed.err.splitlines()[-1]
    assert printed.out == ""


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, ["restore", "bad.gif", "-o", "out.mp4"], "bad.gif: no such file"),
        (b"", ["restore", "bad.gif", "-o", "out.mp4"], "bad.gif"),
        (b"<html>", ["restore", "bad.gif", "-o", "out.mp4"], "bad.gif"),
        (b"GIF89a", ["info", "bad.gif"], "bad.gif"),
        (b"GIF89a\xff\xff\xff\xff\0\0\0;", ["info", "bad.gif"], "bad.gif"),
        (b"text", ["compare", "bad.gif", "bad.gif"], "bad.gif"),
        (b"text", ["make-gif", "bad.gif", "-o", "out.gif"], "bad.gif"),
        (b"text", ["import-torch", "--base", "bad.gif", "-o", "out"], "bad.gif"),
        (b"text", ["restore", ".", "-o", "out.xyz"], "bad.gif"),
    ],
)
def test_bad_input_gets_one_line_and_exits_with_1(
    content, arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        pathlib.Path("bad.gif").write_bytes(content)
    assert cli.main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("gif2video: error: ")
    assert message in lines[0]
    assert entries(tmp_path) == ([] if content is None else ["bad.gif"])


def test_a_huge_claim_is_refused_before_memory_is_taken(tmp_path, capsys):
    path = tmp_path / "huge.gif"
    tiny = gif_builder.Image([[0]], size=(65535, 65535))
    path.write_bytes(gif_builder.build([tiny], 65535, 65535))
    assert cli.main(["restore", str(path), "-o", str(tmp_path / "out.mp4")]) == 1
    assert "65535x65535" in capsys.readouterr().err
    assert entries(tmp_path) == ["huge.gif"]


def test_restore_writes_a_video_and_says_so(gif, tiny_model, tmp_path, capsys):
    output = tmp_path / "out.mp4"
    arguments = ["restore", str(gif), "-o", str(output), "--weights", str(tiny_model)]
    assert cli.main([*arguments, "--multiplier", "2", "--loop", "off"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(printed.out.splitlines()) == 1
    assert "48x32" in printed.out and "0.30 s" in printed.out
    with av.open(str(output)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 6
    assert (frames[0].width, frames[0].height) == (48, 32)
    assert entries(tmp_path) == ["in", "out.mp4"]


def test_an_existing_file_stays_unless_told_otherwise(gif, tiny_model, tmp_path, capsys):
    output = tmp_path / "out.webp"
    output.write_bytes(b"precious")
    arguments = ["restore", str(gif), "-o", str(output), "--weights", str(tiny_model)]
    assert cli.main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert cli.main([*arguments, "--skip-existing"]) == 0
    assert "skipped" in capsys.readouterr().out
    assert output.read_bytes() == b"precious"
    assert cli.main([*arguments, "--overwrite", "-q"]) == 0
    assert output.read_bytes() != b"precious"
    assert capsys.readouterr().out == ""


def test_one_bad_gif_does_not_stop_the_others(gif, tiny_model, tmp_path, capsys):
    folder = gif.parent
    (folder / "a_bad.gif").write_bytes(b"GIF89a")
    output = tmp_path / "videos"
    arguments = ["restore", str(folder), "-o", str(output), "--weights", str(tiny_model)]
    assert cli.main(arguments) == 1
    assert entries(output) == ["small.mp4"]
    error, summary = capsys.readouterr().err.splitlines()
    assert "a_bad.gif" in error
    assert summary.startswith("gif2video: 1 of 2 failed: ") and summary.endswith("a_bad.gif")


def test_a_folder_in_which_all_is_bad_leaves_no_folder(tmp_path, capsys):
    (tmp_path / "bad.gif").write_bytes(b"GIF89a")
    assert cli.main(["restore", str(tmp_path), "-o", str(tmp_path / "new" / "videos")]) == 1
    assert entries(tmp_path) == ["bad.gif"]


def test_standard_input_and_output_are_a_pipe(gif, tiny_model):
    command = [sys.executable, "-m", "gif2video_jax.cli", "restore", "-", "-o", "-"]
    command += ["--format", "mkv", "--weights", str(tiny_model)]
    result = subprocess.run(
        command, cwd=ROOT, input=gif.read_bytes(), capture_output=True, check=True
    )
    assert result.stdout.startswith(b"\x1a\x45\xdf\xa3")  # Matroska, and no line of text after it
    with av.open(io.BytesIO(result.stdout)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 3


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_an_interrupted_run_leaves_nothing_behind(number, code, tiny_model, tmp_path):
    arguments = ["restore", SAMPLE, "-o", tmp_path / "out.webm", "--weights", tiny_model]
    # A shell starts background jobs with Ctrl-C ignored; the tests may be one.
    program = (
        "import signal, sys; from gif2video_jax.cli import main; "
        f"signal.signal({number:d}, signal.SIG_DFL); sys.exit(main())"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    command += ["--multiplier", "80"]  # a thousand frames: it will not be done before the signal
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not any(tmp_path.iterdir()):  # the file is written beside its place
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline, "no output appeared"
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in error
    assert entries(tmp_path) == []


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m gif2video_jax.cli restore --help | true"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True
    )
    assert result.stderr == ""


def test_one_frame_is_not_several(tmp_path, capsys):
    picture = tmp_path / "one.png"
    Image.new("RGB", (8, 8), (200, 30, 90)).save(picture)
    assert cli.main(["make-gif", str(picture), "-o", str(tmp_path / "one.gif")]) == 0
    assert "8x8, 1 frame," in capsys.readouterr().out


def test_make_gif_then_info_agree(tmp_path, capsys):
    clip, output = ROOT / "data" / "samples" / "bunny.mp4", tmp_path / "out.gif"
    arguments = ["make-gif", str(clip), "-o", str(output), "--fps", "5", "--width", "80"]
    assert cli.main([*arguments, "--colors", "16", "--dither", "bayer2", "--palette", "clip"]) == 0
    assert "80x45, 11 frames" in capsys.readouterr().out
    assert cli.main(["info", str(output), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["width"], facts["height"], facts["num_frames"]) == (80, 45, 11)
    assert set(facts["palette_sizes"]) == {16} and facts["num_local_palettes"] == 0
    assert facts["dithering"] == "ordered"
    assert facts["dequantize"] is True
    assert facts["duration"] == pytest.approx(2.08)
    assert cli.main(["info", str(output)]) == 0
    assert "80x45" in capsys.readouterr().out


def test_a_lossy_gif_is_smaller_and_worse(tmp_path, capsys):
    clip = str(ROOT / "data" / "samples" / "bunny.mp4")
    sizes, levels = [], []
    for lossy in ("0", "100"):
        output = tmp_path / f"{lossy}.gif"
        arguments = ["make-gif", clip, "-o", str(output), "--fps", "2", "--width", "80"]
        assert cli.main([*arguments, "--colors", "64", "--lossy", lossy]) == 0
        sizes.append(output.stat().st_size)
        levels.append(read_gif(output).frames[0].rgb.astype(int))
        capsys.readouterr()
        assert cli.main(["info", str(output)]) == 0
        assert ("looks lossy" in capsys.readouterr().out) == (lossy != "0")
    assert sizes[1] < 0.8 * sizes[0]
    assert 1 < np.abs(levels[1] - levels[0]).mean() < 20


def test_compare_prints_each_frame_and_the_mean(gif, tmp_path, capsys):
    assert cli.main(["compare", str(gif), str(gif)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 3 + 2
    assert lines[-2].split() == ["mean", "equal", "1.0000"]
    assert cli.main(["compare", str(gif), str(SAMPLE)]) == 1
    assert "48x32" in capsys.readouterr().err


def test_models_lists_what_is_bundled(capsys):
    from gif2video_jax.pretrained import list_models

    assert cli.main(["models"]) == 0
    text = capsys.readouterr().out
    for card in list_models():
        assert f"{card.name}: " in text


def test_progress_is_drawn_on_a_terminal_only(monkeypatch, capsys):
    options = argparse.Namespace(quiet=False)
    with cli_output.Progress(options, "a.gif") as progress:
        progress(1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with cli_output.Progress(options, "dir/a.gif") as progress:
        progress(1, 2)
        progress(2, 2)
    assert "a.gif" in capsys.readouterr().err
