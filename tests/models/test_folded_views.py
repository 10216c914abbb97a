"""The forms that views come in, and that each is the same as stacked."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import images, small_encoder

from supcon_tf import ProjectionHead, SupConLoss, SupConModel

A, B = images(8, 4, 4, 3), images(8, 4, 4, 3, seed=1)
VIEWS = np.stack([A, B], axis=1)
LABELS = np.arange(8) % 3


def compiled(run_eagerly=True, **options):
    keras.utils.set_random_seed(0)
    model = SupConModel(small_encoder(), ProjectionHead((4,)), **options)
    model.compile("sgd", SupConLoss(), run_eagerly=run_eagerly)
    return model


def after_fit(x, **options):
    model = compiled(**options)
    y = None if isinstance(x, tf.data.Dataset) else LABELS
    batch_size = None if y is None else 4
    model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)
    return np.concatenate([w.ravel() for w in model.get_weights()])


def datasets(x):
    return tf.data.Dataset.from_tensor_slices((x, LABELS)).batch(4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"run_eagerly": False}, marks=pytest.mark.release),
        pytest.param(
            {"num_microbatches": 2, "queue_size": 16, "encoder_momentum": 0.5},
            marks=pytest.mark.release,
        ),
    ],
    ids=str,
)
def test_a_list_of_arrays_is_views(options):
    expected = after_fit(VIEWS, **options)
    tensors = [tf.constant(A), tf.constant(B)]
    for x in ([A, B], (A, B), tensors, datasets((A, B))):
        np.testing.assert_allclose(after_fit(x, **options), expected, rtol=1e-5)


@pytest.mark.slow
def test_a_list_is_views_wherever_a_model_takes_images():
    model = compiled()
    x = [A, B]
    np.testing.assert_array_equal(model(x), model(VIEWS))
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), model.predict(VIEWS, verbose=0)
    )
    assert model.evaluate(x, LABELS, verbose=0) == (
        model.evaluate(VIEWS, LABELS, verbose=0)
    )
    np.testing.assert_array_equal(
        model({"views": x, "small_views": [A]}),
        model({"views": VIEWS, "small_views": A[:, None]}),
    )
    assert model.predict([A], verbose=0).shape == (8, 1, 4)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (list(A), "must hold V arrays of one shape"),
        ([A, B[:, :2]], "must hold V arrays of one shape"),
        ([VIEWS, VIEWS], "views in one array are [B, V, ...]"),
        ({"a": A, "b": B}, "one array [B, V, ...] or a list of arrays"),
        (VIEWS[:, :, None], "or that with a views axis after the first"),
        (A[..., 0], "or that with a views axis after the first"),
    ],
    ids=range(6),
)
def test_other_forms_are_refused_in_one_line_before_the_graph(x, message):
    model = compiled(run_eagerly=False)
    for door in (
        lambda: model.fit(x, LABELS),
        lambda: model.evaluate(x, LABELS),
        lambda: model.predict(x),
    ):
        with pytest.raises(ValueError) as error:
            door()
        assert message in str(error.value)
        assert "\n" not in str(error.value)


def test_encode_refuses_views():
    with pytest.raises(ValueError, match=r"single images.*views\[:, 0\]"):
        compiled().encode(VIEWS)
    assert compiled().encode(list(A)).shape == (8, 6)  # as it always did


@pytest.mark.slow
def test_single_images_and_views_go_through_one_process():
    model = compiled(run_eagerly=False)
    for x, views in ((A, 1), (VIEWS, 2)):
        assert model.predict(x, verbose=0).shape == (8, views, 4)
        model.fit(x, LABELS, validation_data=(A, LABELS), verbose=0)
