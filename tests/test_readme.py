"""The README's Python, pasted block after block."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.slow
def test_the_readmes_python_runs(tmp_path, monkeypatch, capsys):
    from hub_export.saved_model import write_saved_model

    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks():
        if '"DIR"' in block:
            write_saved_model(names["encoder"], "DIR")
        # (Half a minute less.)
        exec(block.replace("epochs=10", "epochs=1"), names)
    assert "linear probe: top-1" in capsys.readouterr().out
    assert names["classifier"].num_classes == 10
    assert names["losses"].shape == (8,)
    assert names["features"].shape == (1437, 128)
    assert names["model"].history.history["val_knn_accuracy"][-1] > 0.5


def test_every_flag_of_the_readme_is_a_flag():
    import dataclasses

    from supcon_tf.config import LinearEvalConfig, PretrainConfig

    known = {"recipe", "list_recipes", "workdir", "output", "help"}
    for config in (PretrainConfig, LinearEvalConfig):
        fields = dataclasses.fields(config)
        known |= {field.name for field in fields}
        known |= {f"no{field.name}" for field in fields if field.type is bool}
    flags = set(re.findall(r"--(\w+)", README.read_text()))
    assert {"epochs", "temperature", "data_dir"} <= flags <= known


def test_no_placeholder_is_left():
    text = README.read_text()
    for word in ("TODO", "TBD", "XXX", "RESULTS"):
        assert word not in text
