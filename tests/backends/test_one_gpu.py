"""The run of guides/one_gpu.md: its command, narrow and on few images.

The flags are taken from the page. A kill stands for its `timeout`.
"""

import pathlib

import keras
import numpy as np
import pytest
from killed_pretraining import killed_after, losses

from supcon_tf.pretrain import main as pretrain

pytestmark = [
    pytest.mark.release,
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="the page is about JAX"
    ),
]

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pages" / "guides" / "one_gpu.md"
SMALLER = [
    "--encoder=resnet18", "--width=0.0625", "--projection_units=32,16",
    "--batch_size=16", "--epochs=3", "--warmup_epochs=1",
]  # fmt: skip


def flags_of_the_page(folder):
    """The flags of its supcon-pretrain, with folders of the test."""
    command = PAGE.read_text().split("supcon-pretrain ")[1]
    flags = command.split("; [")[0].replace("\\\n", " ").split()
    kept = [x for x in flags if not x.startswith(("--data_dir", "--workdir"))]
    assert len(kept) == len(flags) - 2
    return [*kept, f"--data_dir={folder / 'cifar10.npz'}", *SMALLER]


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    parts = {}
    for prefix, count in (("", 48), ("test_", 16)):
        labels = np.arange(count) % 10
        pixels = random.integers(0, 200, (count, 32, 32, 3))
        pixels[..., 0] += labels[:, None, None] * 5
        parts[f"{prefix}images"] = pixels.astype("uint8")
        parts[f"{prefix}labels"] = labels
    np.savez(folder / "cifar10.npz", **parts)
    return flags_of_the_page(folder)


def test_the_run_is_killed_and_goes_on_to_the_same_losses(
    flags, tmp_path, capsys
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    killed.mkdir()
    assert pretrain([*flags, f"--workdir={whole}"]) == 0
    killed_after(flags, killed, "checkpoint-00001.npz")
    assert not (killed / "encoder.keras").exists()
    assert pretrain([*flags, f"--workdir={killed}"]) == 0
    out = capsys.readouterr().out
    assert "goes on after epoch" in out
    assert '"precision": "mixed_bfloat16"' in out
    assert len(losses(whole)) == 3
    np.testing.assert_allclose(losses(killed), losses(whole), rtol=1e-6)
