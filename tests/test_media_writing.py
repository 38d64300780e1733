"""Written files, held against ffmpeg's decoder, ffprobe and Pillow."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageSequence

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.media import FORMATS, format_of, open_writer
from tests import oracles

PRIMARIES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255),
             (255, 255, 255), (0, 0, 0), (10, 200, 90)]
SUFFIXES = ["mp4", "mkv", "webm", "webp", "png", "gif"]
EVERY = [f"out.{suffix}" for suffix in SUFFIXES] + ["frames/"]
LOSSLESS = ["out.mp4", "out.mkv", "out.webm", "out.webp", "out.png", "frames/"]


def clip(count, height=48, width=64, channels=3):
    """A photograph that moves, with a hard-edged alpha channel that moves too."""
    photo = skimage.data.astronaut()[60 : 60 + height, 180 : 180 + width]
    frames = np.stack([np.roll(photo, 2 * number, 1) for number in range(count)])
    if channels == 3:
        return frames
    rows, columns = np.mgrid[:height, :width]
    alpha = np.stack([(rows + columns + 4 * n) % 32 < 16 for n in range(count)]) * 255
    return np.concatenate([frames, alpha[..., None].astype(np.uint8)], 3)


def write(path, frames, rate=25, **options):
    height, width, channels = frames[0].shape
    with open_writer(
        path, width=width, height=height, rate=rate, alpha=channels == 4, **options
    ) as writer:
        for frame in frames:
            writer.write(frame)
    return writer


def decoded(path, width, height, pixel_format="rgb24", decoder=None):
    """Every frame as the ffmpeg program decodes it."""
    command = [oracles.require_program("ffmpeg"), "-v", "error"]
    command += ["-c:v", decoder] if decoder else []
    command += ["-i", str(path), "-vsync", "passthrough", "-f", "rawvideo"]
    # Else ffmpeg halves the exactness of its own conversion.
    command += ["-sws_flags", "bicubic+accurate_rnd+full_chroma_int", "-pix_fmt", pixel_format]
    data = subprocess.run([*command, "-"], capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, len(pixel_format.strip("24")))


def pillow_decoded(path, mode="RGB"):
    with Image.open(path) as image:
        return np.stack([np.array(f.convert(mode)) for f in ImageSequence.Iterator(image)])


def read_back(path, width, height, mode="RGB"):
    """By Pillow where ffmpeg cannot read the format or would composite it its own way."""
    if path.is_dir():
        return np.stack([np.array(Image.open(p).convert(mode)) for p in sorted(path.iterdir())])
    if path.suffix in (".webp", ".png", ".gif"):
        return pillow_decoded(path, mode)
    decoder = "libvpx-vp9" if path.suffix == ".webm" else None
    return decoded(path, width, height, {"RGB": "rgb24", "RGBA": "rgba"}[mode], decoder)


def probe(path):
    command = [oracles.require_program("ffprobe"), "-v", "error", "-of", "json", "-show_streams",
               "-show_format", "-show_packets", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def path_of(tmp_path, name):
    return f"{tmp_path}/{name}", tmp_path / name


def psnr(first, second):
    error = np.mean(np.square(first.astype(float) - second.astype(float)))
    return 10 * np.log10(255**2 / max(error, 1e-9))


@pytest.mark.parametrize("name", EVERY)
def test_frames_come_back_in_order(tmp_path, name):
    frames = clip(12)
    text, path = path_of(tmp_path, name)
    write(text, frames)
    back = read_back(path, 64, 48)
    assert back.shape == frames.shape
    for frame, expected in zip(back, frames, strict=True):
        assert psnr(frame, expected) > 28
        # Closer to its own time than to its neighbours'.
        assert psnr(frame, expected) > psnr(frame, np.roll(expected, 2, 1)) + 3


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_is_bit_exact(tmp_path, name):
    frames = np.random.default_rng(0).integers(0, 256, (5, 37, 51, 3), np.uint8)
    frames[2:] = clip(3, 37, 51)
    text, path = path_of(tmp_path, name)
    writer = write(text, frames, lossless=True)
    assert writer.padding_note is None
    np.testing.assert_array_equal(read_back(path, 51, 37), frames)


@pytest.mark.parametrize("name", ["out.mkv", "out.webp", "out.png", "frames/"])
def test_lossless_with_alpha_is_exact_where_it_is_seen(tmp_path, name):
    frames = clip(4, 37, 51, channels=4)
    text, path = path_of(tmp_path, name)
    write(text, frames, lossless=True)
    back = read_back(path, 51, 37, "RGBA")
    np.testing.assert_array_equal(back[..., 3], frames[..., 3])
    seen = frames[..., 3] > 0
    np.testing.assert_array_equal(back[seen], frames[seen])


@pytest.mark.parametrize("name", ["out.mkv", "out.webm", "out.webp", "out.png", "out.gif"])
def test_alpha_is_kept(tmp_path, name):
    frames = clip(6, channels=4)
    text, path = path_of(tmp_path, name)
    write(text, frames)
    if name == "out.mkv":
        back = decoded(path, 64, 48, "rgba", "libvpx-vp9")
    else:
        back = read_back(path, 64, 48, "RGBA")
    assert np.abs(back[..., 3].astype(int) - frames[..., 3]).max() <= 8
    seen = frames[..., 3] > 0
    assert psnr(back[seen], frames[seen]) > 25


def test_transparent_frames_of_a_gif_do_not_leave_traces(tmp_path):
    frames = clip(6, channels=4)
    write(tmp_path / "out.gif", frames)
    for frame, expected in zip(read_gif(tmp_path / "out.gif").frames, frames, strict=True):
        np.testing.assert_array_equal(frame.alpha, expected[..., 3] > 0)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm"])
def test_saturated_colors_come_back_and_are_tagged_bt709(tmp_path, name):
    picture = np.zeros((96, 96, 3), np.uint8)
    for number, color in enumerate(PRIMARIES):
        top, left = number // 3 * 32, number % 3 * 32
        picture[top : top + 32, left : left + 32] = color
    write(tmp_path / name, [picture] * 4)
    back = decoded(tmp_path / name, 96, 96)[-1]
    centers = back[16::32, 16::32].reshape(-1, 3).astype(int)
    assert np.abs(centers - np.array(PRIMARIES)).max() <= 3
    stream = probe(tmp_path / name)["streams"][0]
    assert stream["pix_fmt"] == "yuv420p"
    for field in ("color_space", "color_primaries", "color_transfer"):
        assert stream[field] == "bt709"
    assert stream["color_range"] == "tv"


def test_mp4_is_h264_with_its_index_in_front(tmp_path):
    path = tmp_path / "out.mp4"
    write(path, clip(3))
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert probe(path)["streams"][0]["codec_name"] == "h264"


@pytest.mark.parametrize("rate", [Fraction(1, 2), 24, Fraction(30000, 1001), Fraction(100, 3), 50,
                                  Fraction(200, 7), 240, 1000])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm"])
def test_time_stamps_are_exact(tmp_path, name, rate):
    count = 17
    write(tmp_path / name, clip(count, 16, 16), rate)
    told = probe(tmp_path / name)
    # WebM and Matroska count milliseconds; MP4 holds the times as they are.
    rounding = 0 if name == "out.mp4" else Fraction(1, 2000)
    base = Fraction(told["streams"][0]["time_base"])
    times = sorted(int(packet["pts"]) * base for packet in told["packets"])
    assert len(times) == count
    for number, time in enumerate(times):
        assert abs(time - number / Fraction(rate)) <= rounding
    assert float(told["format"]["duration"]) == pytest.approx(count / float(rate), abs=2e-3)


@pytest.mark.parametrize("rate", [Fraction(1, 2), 24, Fraction(30000, 1001), Fraction(100, 3), 240])
def test_delays_of_an_apng_are_exact(tmp_path, rate):
    write(tmp_path / "out.png", clip(9, 16, 16), rate)
    data = (tmp_path / "out.png").read_bytes()
    delays, position = [], 8
    while position < len(data):  # chunks: length, name, body, checksum
        length, name = int.from_bytes(data[position : position + 4]), data[position + 4 :][:4]
        if name == b"fcTL":
            delay = data[position + 8 + 20 :][:4]
            delays.append(Fraction(int.from_bytes(delay[:2]), int.from_bytes(delay[2:])))
        position += 12 + length
    assert delays == [1 / Fraction(rate)] * 9


@pytest.mark.parametrize(("name", "rates"), [
    ("out.gif", [Fraction(1, 2), 24, Fraction(100, 3), 40, 50]),
    ("out.webp", [Fraction(1, 2), 24, Fraction(100, 3), 60, 144]),
    ("out.png", [Fraction(1, 2), 24, Fraction(100, 3), 60, 144]),
])
def test_durations_of_animated_pictures_add_up(tmp_path, name, rates):
    for rate in rates:
        count = 25
        path = tmp_path / f"{float(rate)}-{name}"
        write(path, clip(count, 16, 16), rate)
        with Image.open(path) as image:
            durations = []
            for frame in ImageSequence.Iterator(image):
                frame.load()
                durations.append(frame.info["duration"])
        unit = {"out.gif": 10, "out.webp": 1, "out.png": 0}[name]
        exact = 1000 * count / Fraction(rate)
        assert abs(sum(durations) - exact) <= unit / 2 + 1e-6
        ends = np.cumsum(durations)
        errors = np.abs(ends - [1000 * (n + 1) / float(rate) for n in range(count)])
        assert errors.max() <= unit / 2 + 1e-6, "rounding drifts"


@pytest.mark.parametrize(("loop_count", "gif", "plays"), [(0, 0, 0), (3, 3, 4), (None, None, 1)])
def test_loops(tmp_path, loop_count, gif, plays):
    for name in ("out.gif", "out.webp", "out.png"):
        write(tmp_path / name, clip(3), loop_count=loop_count)
    assert read_gif(tmp_path / "out.gif").loop_count == gif
    for name in ("out.webp", "out.png"):
        with Image.open(tmp_path / name) as image:
            assert image.info["loop"] == plays


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 1), (33, 17), (64, 1)])
@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("count", [1, 2])
def test_any_size_and_count(tmp_path, name, size, count):
    height, width = size
    frames = np.full((count, height, width, 3), 200, np.uint8)
    frames[:, : height // 2] = 40
    frames[1:] -= 20  # equal frames may become one
    text, path = path_of(tmp_path, name)
    writer = write(text, frames)
    even = (height + height % 2, width + width % 2)
    coded = even if name in ("out.mp4", "out.mkv") else size
    back = read_back(path, coded[1], coded[0])
    assert back.shape == (count, *coded, 3)
    assert np.abs(back[:, :height, :width].astype(int) - frames).mean() < 12
    if coded == size:
        assert writer.padding_note is None
    else:
        assert writer.padding_note == (
            f"{width}x{height} became {coded[1]}x{coded[0]} by repeating the edge: "
            "H.264 needs even sizes"
        )
        assert np.abs(back[0, -1, -1].astype(int) - 200).max() < 12, "the edge is not black"


def test_wide_pictures(tmp_path):
    frames = clip(1, 8, 300).repeat(14, 2)[:, :, :4097]
    for name in EVERY:
        text, path = path_of(tmp_path, name)
        write(text, frames)
        width = 4098 if name in ("out.mp4", "out.mkv") else 4097
        assert read_back(path, width, 8).shape[2] == width


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.webp"])
def test_crf_trades_size_for_quality(tmp_path, name):
    frames = clip(6)
    sizes = []
    for crf in (5, 45):
        path = tmp_path / f"{crf}-{name}"
        write(path, frames, crf=crf)
        sizes.append(path.stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def test_numbered_frames_have_as_many_digits_as_they_need(tmp_path):
    frames = clip(3, 4, 4)
    write(f"{tmp_path}/a/", frames)
    write(f"{tmp_path}/b/", frames, num_frames=20_000)
    first, second = (sorted(p.name for p in (tmp_path / name).iterdir()) for name in "ab")
    assert first == ["0000.png", "0001.png", "0002.png"]
    assert second[0] == "00000.png"


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_seen_before_it_is_whole_and_nothing_stays_after_an_abort(tmp_path, name):
    text, path = path_of(tmp_path, name)
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error):
            with open_writer(text, width=64, height=48, rate=25) as writer:
                for frame in clip(8):
                    writer.write(frame)
                assert not path.exists()
                raise error
        assert list(tmp_path.iterdir()) == []
    writer.close()  # after an abort: nothing to do
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", EVERY)
def test_an_output_without_frames_is_refused(tmp_path, name):
    text, _ = path_of(tmp_path, name)
    with pytest.raises(InputError, match="no frame to write"):
        with open_writer(text, width=4, height=4, rate=25):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", EVERY)
def test_what_exists_is_only_replaced_when_asked(tmp_path, name):
    text, path = path_of(tmp_path, name)
    write(text, clip(2))
    with pytest.raises(InputError, match="--overwrite"):
        write(text, clip(3))
    assert len(read_back(path, 64, 48)) == 2
    write(text, clip(3), overwrite=True)
    assert len(read_back(path, 64, 48)) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_keeps_what_is_not_a_numbered_frame(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("0000.png", "0007.png", "holiday.png", "notes.txt"):
        (folder / name).write_text("mine")
    write(f"{folder}/", clip(2), overwrite=True)
    names = ["0000.png", "0001.png", "holiday.png", "notes.txt"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / "holiday.png").read_text() == "mine"


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "other").write_text("")
    write(tmp_path / "out.mp4", clip(2))
    assert (tmp_path / "out.mp4").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("out.avi", {}, "out.avi: unknown suffix '.avi', expected one of .mp4 .*ends in /"),
        ("out", {}, "unknown suffix ''"),
        ("out.mp4", {"format": "avi"}, "unknown format 'avi', expected one of mp4, mkv"),
        ("-", {}, "standard output needs --format"),
        ("-", {"format": "mp4"}, "mp4 cannot be written to standard output, only mkv, webm can"),
        ("out.mp4", {"alpha": True}, "mp4 holds no transparency, these do: mkv, webm, webp"),
        ("out.webm", {"alpha": True, "lossless": True}, "use mkv, webp or png"),
        ("out.gif", {"lossless": True}, "gif cannot be lossless"),
        ("out.gif", {"crf": 3}, "gif has no quality to choose"),
        ("out.mp4", {"crf": 52}, "--crf is 52, expected 0 to 51"),
        ("out.mp4", {"crf": 5, "lossless": True}, "exclude each other"),
        ("out.gif", {"rate": 51}, "51 frames a second are too many for gif, .* up to 50"),
        ("out.webp", {"width": 16384}, "16384x4 is too large for webp"),
        ("out.mp4", {"rate": 1001}, "too many for mp4"),
        ("missing/out.mp4", {}, "the folder .*missing does not exist"),
        ("missing/frames/", {}, "the folder .*missing does not exist"),
        ("folder.mp4", {}, "is a folder, expected a file name"),
        ("file/", {}, "is a file, expected a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(tmp_path, name, options, message):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("")
    path = name if name == "-" else f"{tmp_path}/{name}"
    with pytest.raises(InputError, match=message) as caught:
        open_writer(path, **{"width": 4, "height": 4, "rate": 25} | options)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.mp4"]


def test_programming_mistakes_are_refused(tmp_path, without_shape_checks):
    with pytest.raises(ValueError, match="got 0x4 at 25"):
        open_writer(tmp_path / "a.mp4", width=0, height=4, rate=25)
    writer = open_writer(tmp_path / "a.mp4", width=4, height=4, rate=25)
    with pytest.raises(ValueError, match=r"expected uint8 \(4, 4, 3\), got uint8 \(4, 5, 3\)"):
        writer.write(np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="got float64"):
        writer.write(np.zeros((4, 4, 3)))
    writer.write(np.zeros((4, 4, 3), np.uint8))
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(np.zeros((4, 4, 3), np.uint8))


def test_every_suffix_is_known():
    for name, item in FORMATS.items():
        for suffix in item.suffixes:
            assert format_of(f"a{suffix.upper()}").name == name
    assert format_of("a/").name == "folder"
    assert format_of("a.mp4", "webm").name == "webm"


STREAMING = """
import numpy as np, sys
from gif2video_jax.media import open_writer
with open_writer("-", format=sys.argv[1], width=32, height=16, rate=25) as writer:
    for number in range(int(sys.argv[2])):
        writer.write(np.random.default_rng(number).integers(0, 256, (16, 32, 3), np.uint8))
"""


@pytest.mark.parametrize("name", ["webm", "mkv"])
def test_standard_output_streams(tmp_path, name):
    done = subprocess.run([sys.executable, "-c", STREAMING, name, "9"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    path = tmp_path / f"out.{name}"
    path.write_bytes(done.stdout)
    assert len(decoded(path, 32, 16)) == 9


def test_a_reader_that_goes_away_is_an_input_error():
    program = STREAMING.replace("int(sys.argv[2])", "10**6")
    child = subprocess.Popen([sys.executable, "-c", program, "mkv"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.read(100)
    child.stdout.close()
    errors = child.stderr.read().decode()
    child.stderr.close()
    child.wait()
    assert "InputError: standard output: cannot be written: Broken pipe" in errors


FULL_DISK = """
import resource, sys
import numpy as np
from gif2video_jax.media import open_writer
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with open_writer(sys.argv[1], width=320, height=240, rate=25) as writer:
    for number in range(10):
        writer.write(np.random.default_rng(number).integers(0, 256, (240, 320, 3), np.uint8))
"""


@pytest.mark.parametrize("name", EVERY)
def test_a_full_disk_is_an_input_error_and_leaves_nothing(tmp_path, name):
    # A limit on file sizes stands for the full disk.
    text, _ = path_of(tmp_path, name)
    done = subprocess.run([sys.executable, "-c", FULL_DISK, text], capture_output=True, text=True)
    assert f"InputError: {text}: cannot be written: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


MEMORY = """
import resource, sys
import numpy as np
from gif2video_jax.media import open_writer
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
with open_writer(sys.argv[1], width=640, height=480, rate=25) as writer:
    for number in range(150):
        writer.write(np.full((480, 640, 3), number, np.uint8))
        if number == 75:
            before = peak()
print(peak() - before)
"""


@pytest.mark.parametrize("name", EVERY)
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, name):
    text, _ = path_of(tmp_path, name)
    done = subprocess.run([sys.executable, "-c", MEMORY, text], capture_output=True, check=True)
    assert int(done.stdout) < 40  # 75 frames of RGB are 66 MB
