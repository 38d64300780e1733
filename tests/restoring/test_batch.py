"""Which file becomes which, and that one bad file does not stop the others."""

import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.restoring.batch import Job, output_folder, plan_jobs, run_jobs


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gifs").mkdir()
    for name in ("b.gif", "a.gif", "C.GIF", "notes.txt"):
        (tmp_path / "gifs" / name).touch()
    return tmp_path


def test_one_gif_becomes_the_output(here):
    plan = plan_jobs(["gifs/a.gif"], "new.mp4")
    assert (plan.jobs, plan.folder) == ((Job("gifs/a.gif", "new.mp4"),), None)


def test_one_gif_and_a_slash_ask_for_png_frames(here):
    assert plan_jobs(["gifs/a.gif"], "frames/").jobs == (Job("gifs/a.gif", "frames/"),)
    (here / "frames").mkdir()
    assert plan_jobs(["gifs/a.gif"], "frames/").jobs == (Job("gifs/a.gif", "frames/"),)


def test_one_gif_goes_into_a_folder_that_exists(here):
    (here / "videos").mkdir()
    assert plan_jobs(["gifs/a.gif"], "videos").jobs == (Job("gifs/a.gif", "videos/a.mp4"),)


def test_a_folder_means_its_gifs_in_order(here):
    plan = plan_jobs(["gifs"], "videos", "webm")
    assert [job.source for job in plan.jobs] == ["gifs/C.GIF", "gifs/a.gif", "gifs/b.gif"]
    assert plan.jobs[1].destination == "videos/a.webm"
    assert plan.folder == "videos"


def test_several_gifs_need_a_folder(here):
    (here / "file.dat").touch()
    for output in ("new.mp4", "-", "file.dat"):
        with pytest.raises(ValueError, match="several GIFs need a folder"):
            plan_jobs(["gifs/a.gif", "gifs/b.gif"], output)


def test_two_gifs_of_one_name_are_refused(here):
    with pytest.raises(ValueError, match=r"a.gif and gifs/a.gif would both become out/a.mp4"):
        plan_jobs(["a.gif", "gifs"], "out")


def test_a_folder_without_gifs_is_bad_input(here):
    (here / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no GIF in this folder"):
        plan_jobs(["empty"], "out")


def test_failures_are_told_and_do_not_stop_the_rest():
    jobs = [Job(name, "") for name in "abcd"]
    done, errors = [], []

    def work(job):
        if job.source == "b":
            raise InputError("b is bad")
        if job.source == "c":
            raise PermissionError("c is locked")
        done.append(job.source)

    assert run_jobs(jobs, work, errors.append) == jobs[1:3]
    assert done == ["a", "d"]
    assert [str(error) for error in errors] == ["b is bad", "c is locked"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError, ZeroDivisionError])
def test_interrupts_and_our_own_mistakes_stop_everything(error):
    def work(job):
        raise error

    with pytest.raises(error):
        run_jobs([Job("a", ""), Job("b", "")], work, pytest.fail)


def test_folders_that_stay_empty_are_removed_again(here):
    with pytest.raises(InputError), output_folder("new/deep"):
        assert (here / "new" / "deep").is_dir()
        raise InputError("nothing worked")
    assert not (here / "new").exists()
    with output_folder("gifs"):
        pass
    assert (here / "gifs").is_dir()
    with output_folder("new/deep"):
        (here / "new" / "deep" / "a.mp4").touch()
    assert (here / "new" / "deep" / "a.mp4").exists()


def test_a_file_in_the_folders_place_is_bad_input(here):
    with pytest.raises(InputError, match="notes.txt"), output_folder("gifs/notes.txt/x"):
        pass
