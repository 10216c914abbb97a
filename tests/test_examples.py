"""The examples in docstrings run, and give what they say."""

import doctest
import importlib
import pathlib

import pytest
from example_names import example_names

ROOT = pathlib.Path(__file__).resolve().parent.parent
# They take more than two seconds each.
SLOW = (
    "supcon_tf.augmentations.on_device.device_views",
    "supcon_tf.callbacks.best_epoch",
    "supcon_tf.callbacks.knn",
    "supcon_tf.encoders.from_keras_hub",
    "supcon_tf.data.image_batches",
    "supcon_tf.data.views",
    "supcon_tf.encoders.hub_encoder",
    "supcon_tf.encoders.saved",
    "supcon_tf.photographs.similarity_head",
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_with_examples():
    for folder in ("supcon_tf", "hub_export"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>>" in path.read_text():
                parts = path.relative_to(ROOT).with_suffix("").parts
                name = ".".join(parts).removesuffix(".__init__")
                marks = pytest.mark.release if name in SLOW else ()
                yield pytest.param(name, marks=marks)


@pytest.fixture(scope="module")
def names():
    return example_names()


@pytest.mark.slow
@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_are_true(name, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    report = []
    for test in doctest.DocTestFinder().find(module, name):
        test.globs = {**vars(module), **names}
        runner.run(test, out=report.append, clear_globs=False)
    assert runner.tries
    assert not runner.failures, "".join(report)


def test_every_public_function_and_class_of_the_package_has_an_example():
    import supcon_tf

    for name in supcon_tf.__all__:
        value = getattr(supcon_tf, name)
        if callable(value) and not issubclass_of_warning(value):
            assert ">>>" in (value.__doc__ or ""), name


def issubclass_of_warning(value):
    return isinstance(value, type) and issubclass(value, Warning)
