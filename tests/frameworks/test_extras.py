"""What needs a package that is not there says so in one line."""

import pathlib
import re
import sys

import numpy as np
import pytest

from supcon_tf.frameworks.extras import (
    EXTRAS,
    check_extra,
    has_extra,
    how_to_get,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]


def url_of_a_saved_model():
    from supcon_tf import HubEncoder

    HubEncoder("https://example.com/encoder-1.tar.gz")


def data_set_of_tfds():
    from supcon_tf import load_dataset

    load_dataset("tfds:mnist", data_dir="no_folder")


def published_corruptions():
    from supcon_tf.evaluation.robustness.published import (
        published_corruptions,
    )

    published_corruptions("cifar10", severities=[1], data_dir="no_folder")


def preset_of_keras_cv():
    from supcon_tf.encoders.initial import initial_encoder

    initial_encoder("keras_cv:resnet50_imagenet", (32, 32, 3))


def preset_of_keras_hub():
    from supcon_tf.encoders.initial import initial_encoder

    initial_encoder("keras_hub:vit_tiny", (32, 32, 3))


def figures():
    from supcon_tf.photographs import images

    images.prepare("FOLDER", images.ImagesConfig(figures="sheets"))


def page():
    from supcon_tf.photographs.page import write_page

    write_page("p.html", np.zeros((2, 8, 8, 3), "uint8"), [0, 1], np.eye(2))


def projector():
    from supcon_tf.photographs.projector import write_projector

    write_projector(
        "projector",
        np.zeros((2, 8, 8, 3), "uint8"),
        [0, 1],
        {"encoder": np.eye(2)},
        class_names=list("ab"),
        names="ab",
    )


def approximate():
    from supcon_tf.photographs import search

    config = search.SearchConfig(images="FOLDER", approximate=True)
    search.prepare(config, ["QUERY.jpg"])


def page_of_a_search():
    from supcon_tf.photographs import search

    config = search.SearchConfig(images="FOLDER", page="found.html")
    search.prepare(config, ["QUERY.jpg"])


def parquet():
    from supcon_tf.photographs import embed

    embed._checked_output(embed.EmbedConfig(output="vectors.parquet"))


DOORS = [
    ("bokeh", page, "`page` needs Bokeh"),
    ("jinja2", page_of_a_search, "`page` needs Jinja"),
    ("faiss", approximate, "`approximate` needs Faiss"),
    ("keras_cv", preset_of_keras_cv, "keras_cv:resnet50_imagenet needs"),
    ("keras_hub", preset_of_keras_hub, "keras_hub:vit_tiny needs KerasHub"),
    ("matplotlib", figures, "`figures` needs matplotlib"),
    ("pyarrow", parquet, "`output` vectors.parquet needs pyarrow"),
    ("tensorboard", projector, "`projector` needs TensorBoard"),
    ("tensorflow_datasets", data_set_of_tfds, "`dataset` mnist needs"),
    ("tensorflow_datasets", published_corruptions, "`dataset` cifar10_corrup"),
    ("tensorflow_hub", url_of_a_saved_model, "`handle` https://example.com/"),
]


@pytest.mark.parametrize(
    ("module", "door", "start"),
    DOORS,
    ids=[door.__name__ for _, door, _ in DOORS],
)
def test_one_line_names_the_extra_that_is_missing(
    module, door, start, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # as if not installed
    with pytest.raises(ValueError) as error:
        door()
    message = str(error.value)
    assert message.startswith(start)
    assert f"`pip install supcon_tf[{EXTRAS[module][1]}]` brings" in message
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_every_extra_has_a_door():
    assert {module for module, _, _ in DOORS} == EXTRAS.keys()


def test_the_extras_are_those_of_setup():
    setup = (ROOT / "setup.py").read_text()
    for _, extra in EXTRAS.values():
        assert re.search(rf'^    "{extra}": \[', setup, re.MULTILINE)


def test_what_is_installed_passes_and_a_strange_module_is_a_mistake():
    check_extra("matplotlib", "a figure")
    for call in (has_extra, how_to_get):
        with pytest.raises(KeyError):
            call("numpy")
