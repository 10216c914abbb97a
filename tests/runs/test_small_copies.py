"""Commands read small copies of large photographs, and make them once."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import tiny_encoder
from PIL import Image

from supcon_tf import evaluate, linear_eval, pretrain
from supcon_tf.training import batches

assert tiny_encoder.tiny  # registers itself


@pytest.fixture
def photos(tmp_path):
    """Six photographs of 1.2 megapixels of each of two classes."""
    random = np.random.default_rng(0)
    for name, channel in (("red", 0), ("blue", 2)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 60, (3, 4, 3), np.uint8)
            pixels[..., channel] += 180
            image = Image.fromarray(pixels).resize((1250, 960))
            image.save(tmp_path / "photos" / name / f"{number}.jpg")
    return tmp_path / "photos"


def flags(photos, workdir):
    return [
        *("--recipe=photos", f"--data_dir={photos}", f"--workdir={workdir}"),
        *("--initial_encoder=none", "--encoder=tiny", "--image_size=16"),
        *("--projection_units=8,4", "--epochs=2", "--warmup_epochs=0"),
        *("--stop_fraction=0.25", "--batch_size=4", "--samples_per_class=2"),
    ]


@pytest.mark.release
def test_commands_read_the_copies_that_the_training_made(
    photos, tmp_path, capsys, monkeypatch
):
    taken = []
    view_batches = batches.view_batches

    def spied(source, *args, **kwargs):
        taken.append(source.images.tolist())
        return view_batches(source, *args, **kwargs)

    monkeypatch.setattr(batches, "view_batches", spied)
    workdir, cache = tmp_path / "runs" / "W", tmp_path / "runs" / "image_cache"
    assert pretrain.main(flags(photos, workdir)) == 0
    out = capsys.readouterr().out
    line = f"image cache {cache}: 8 copies at 32 pixels, 0.0 MB, 8 new\n"
    assert out.count(line) == 1  # a sixth or more of each class is held out
    copies = {str(path) for path in cache.glob("??/*")}
    assert len(copies) == 8 and len(taken[-1]) < 8  # the others are watched
    assert copies > set(taken[-1])
    assert linear_eval.main([f"--workdir={workdir}"]) == 0
    assert f"{cache}: 12 copies at 32 pixels, 0.0 MB, 4 new" in (
        capsys.readouterr().out
    )
    asked = [
        *(f"--encoder={workdir}", f"--output={tmp_path / 'E'}"),
        "--validation_fraction=0.25",
    ]
    assert evaluate.main(asked) == 0
    assert f"{cache}: 12 copies at 32 pixels, 0.0 MB, 0 new" in (
        capsys.readouterr().out
    )
    assert evaluate.main([*asked, "--overwrite", "--image_cache=none"]) == 0
    assert "image cache" not in capsys.readouterr().out
    corrupted = [*asked, "--overwrite", "--corruptions=contrast"]
    assert evaluate.main([*corrupted, f"--image_cache={cache}"]) == 2
    assert "left out with corruptions" in capsys.readouterr().err


@pytest.mark.slow
def test_a_setting_without_effect_is_refused(capsys):
    for given, reason in (
        (["--recipe=digits", "--image_cache=copies"], "dataset='digits'"),
        (["--recipe=folder", "--image_cache=none"], "image_cache=None"),
    ):
        wrong = [*given, "--image_cache_gb=2", "--workdir=W"]
        assert pretrain.main(wrong) == 2
        assert f"must be left out with {reason}" in capsys.readouterr().err


KILLED = """
import sys
import kill_points, tiny_encoder
from supcon_tf import pretrain

number, folder, *argv = sys.argv[1:]
kill_points.kill_at(int(number), folder)
sys.exit(pretrain.main(argv))
"""


@pytest.mark.release
def test_a_run_that_is_killed_while_it_makes_copies_is_repeated(
    photos, tmp_path, capsys
):
    workdir, cache = tmp_path / "runs" / "W", tmp_path / "runs" / "image_cache"
    argv = flags(photos, workdir)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "11", str(cache), *argv],
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(cache.glob("??/[!.]*"))) < 8
    assert pretrain.main(argv) == 0
    assert "8 copies at 32 pixels" in capsys.readouterr().out
    assert len(list(cache.glob("??/*"))) == 8  # and nothing half-written
    assert (workdir / "encoder.keras").exists()
