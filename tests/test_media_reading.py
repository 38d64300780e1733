"""Videos, animated pictures and folders, held against the ffmpeg program and known contents."""

import subprocess
from fractions import Fraction

import numpy as np
import pytest
import skimage.data
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.media import open_video, open_writer
from tests import gif_builder as builder
from tests import oracles


def clip(count, height=48, width=64):
    photo = skimage.data.astronaut()[60 : 60 + height, 180 : 180 + width]
    return np.stack([np.roll(photo, 2 * number, 1) for number in range(count)])


def ffmpeg(*arguments, frames=None, size=None, rate=25):
    """Runs the ffmpeg program, with frames as its input if there are some."""
    command = [oracles.require_program("ffmpeg"), "-v", "error", "-y"]
    if frames is not None:
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(rate), "-i", "-"]
    data = None if frames is None else frames.tobytes()
    command += [str(argument) for argument in arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def write(path, frames, rate=25, **options):
    height, width, channels = frames[0].shape
    with open_writer(
        path, width=width, height=height, rate=rate, alpha=channels == 4, **options
    ) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.mark.parametrize("rate", [25, Fraction(100, 3), Fraction(30000, 1001), 10])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.webp", "a.png", "a/"])
def test_reads_what_was_written(tmp_path, name, rate):
    frames = clip(7)
    write(f"{tmp_path}/{name}", frames, rate, lossless=True)
    with open_video(tmp_path / name.rstrip("/"), rate=rate if name == "a/" else None) as video:
        assert (video.width, video.height) == (64, 48)
        assert video.num_frames in (7, None)
        assert float(video.rate) == pytest.approx(float(rate), rel=0.02)  # in whole milliseconds
        if name == "a.mp4":
            assert (video.rate, video.duration) == (rate, 7 / Fraction(rate))
        np.testing.assert_array_equal(np.stack(list(video)), frames)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv", "a.webp", "a.png"])
def test_times_follow_the_rate(tmp_path, name):
    write(tmp_path / name, clip(5), Fraction(100, 3))
    with open_video(tmp_path / name) as video:
        times = [float(time) for time, _ in video.timed()]
    assert times == pytest.approx([n * 0.03 for n in range(5)], abs=5e-4)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["-colorspace", "bt709", "-vf", "scale=out_color_matrix=bt709"], "tagged.mp4"),
        (["-colorspace", "smpte170m", "-vf", "scale=out_color_matrix=bt601"], "sd.mp4"),
        ([], "untagged.mp4"),
        (["-color_range", "pc", "-vf", "scale=out_range=pc"], "full.mkv"),
    ],
)
def test_colors_are_read_by_their_tags_as_ffmpeg_does(tmp_path, options, name):
    picture = np.zeros((3, 64, 96, 3), np.uint8)
    for number, color in enumerate([(255, 0, 0), (0, 200, 30), (20, 30, 255)]):
        picture[:, :, 32 * number : 32 * number + 32] = color
    path = tmp_path / name
    ffmpeg(*options, "-c:v", "libx264", "-qp", "1", "-pix_fmt", "yuv420p", path,
           frames=picture, size="96x64")
    with open_video(path) as video:
        ours = next(video).astype(int)
    assert np.abs(ours - picture[0])[:, 16::32].max() <= 4
    theirs = np.frombuffer(
        ffmpeg("-i", path, "-sws_flags", "bicubic+accurate_rnd+full_chroma_int", "-f", "rawvideo",
               "-pix_fmt", "rgb24", "-"), np.uint8,
    ).reshape(-1, 64, 96, 3)[0]
    assert np.abs(ours - theirs).max() <= 2


def test_a_rotated_video_is_turned(tmp_path):
    oracles.require_program("ffmpeg")
    frames = clip(3)
    write(tmp_path / "a.mp4", frames, lossless=True)
    ffmpeg("-i", tmp_path / "a.mp4", "-c", "copy", "-metadata:s:v", "rotate=90",
           tmp_path / "turned.mp4")
    turned = np.frombuffer(
        ffmpeg("-i", tmp_path / "turned.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"), np.uint8
    )
    with open_video(tmp_path / "turned.mp4") as video:
        assert (video.width, video.height) == (48, 64)
        ours = np.stack(list(video))
    np.testing.assert_array_equal(ours, turned.reshape(ours.shape))


def test_a_gif_is_read_as_browsers_show_it(tmp_path):
    images = [
        builder.Image([[1, 2]], delay=0), builder.Image([[3]], left=1, delay=5, disposal=2),
        builder.Image([[2]], delay=5),
    ]
    (tmp_path / "a.gif").write_bytes(builder.build(images))
    with open_video(tmp_path / "a.gif") as video:
        assert (video.rate, video.duration, video.num_frames) == (20, Fraction(1, 5), 3)
        times, frames = zip(*video.timed(), strict=True)
    assert times == (0, Fraction(1, 10), Fraction(3, 20))
    assert [frame[..., 0].tolist() for frame in frames] == [[[85, 170]], [[85, 255]], [[170, 0]]]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp"])
def test_a_still_picture_is_one_frame(tmp_path, name):
    picture = Image.fromarray(clip(1)[0])
    picture.save(tmp_path / name)
    with open_video(tmp_path / name) as video:
        assert (video.num_frames, video.rate, video.duration) == (1, 25, Fraction(1, 25))
        assert [frame.shape for frame in video] == [(48, 64, 3)]


def test_pictures_of_a_folder_come_by_their_numbers(tmp_path):
    for number in (10, 9, 100, 1):
        Image.new("RGB", (3, 2), (number, 0, 0)).save(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("none")
    with open_video(tmp_path, rate=10) as video:
        assert (video.num_frames, video.duration) == (4, Fraction(2, 5))
        assert [int(frame[0, 0, 0]) for frame in video] == [1, 9, 10, 100]


def test_a_folder_of_pictures_of_two_sizes_is_refused(tmp_path):
    for number, size in enumerate([(3, 2), (2, 3)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match="a frame of 2x3 follows frames of 3x2"):
        list(open_video(tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.mp4", b"", "the file is empty"),
        ("a.mp4", b"not a video at all" * 9, "cannot be read as a video"),
        ("a.gif", b"GIF89a", "cut short"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "cannot be read|not a picture"),
        ("a.webp", b"RIFF\0\0\0\0WEBP" + bytes(40), "cannot be read|not a picture"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        list(open_video(tmp_path / name))
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing.mp4: no such file"):
        open_video(tmp_path / "nothing.mp4")
    with pytest.raises(InputError, match="holds no pictures"):
        open_video(tmp_path)


def test_sound_without_pictures_is_refused(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.1", tmp_path / "a.wav")
    with pytest.raises(InputError, match="holds no video"):
        open_video(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.png"])
def test_a_video_that_is_cut_short_gives_its_frames_or_one_line(tmp_path, name):
    write(tmp_path / name, clip(9))
    data = (tmp_path / name).read_bytes()
    for share in (0.1, 0.3, 0.5, 0.9):
        (tmp_path / name).write_bytes(data[: int(len(data) * share)])
        try:
            with open_video(tmp_path / name) as video:
                assert sum(1 for _ in video) <= 9
        except InputError as error:
            assert "\n" not in str(error)


def test_reading_ahead_is_not_needed(tmp_path):
    write(tmp_path / "a.mp4", clip(9))
    with open_video(tmp_path / "a.mp4") as video:
        first = next(video)
        rest = list(video)
    assert first.shape == (48, 64, 3) and len(rest) == 8
