"""Models that make their views within the step, against views as arrays."""

import keras
import numpy as np
import pytest
from seeded_images import random_images
from small_models import small_encoder

from supcon_tf import (
    ClassificationModel,
    DeviceViews,
    JointModel,
    ProjectionHead,
    SupConLoss,
    SupConModel,
)
from supcon_tf.data.views import numbered_batches

IMAGES = random_images(14, 6, 6)
LABELS = np.arange(14) % 2


def some_views(name="crop", **more):
    return DeviceViews(name, num_views=2, image_size=4, seed=3, **more)


def contrastive(views=None, *, compiled=None, **more):
    keras.utils.set_random_seed(1)
    model = SupConModel(
        small_encoder(), ProjectionHead((5, 3)), views=views, **more
    )
    model.build((None, 2, 4, 4, 3))
    model.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss=SupConLoss(),
        **(compiled or {"run_eagerly": True}),
    )
    return model


def fitted_to_arrays(views, epochs, **more):
    """A model without views, given those of the batches one by one."""
    model = contrastive(**more)
    batches = views.batches(IMAGES, LABELS, batch_size=7)
    for step in range(epochs * batches.steps_per_epoch):
        x, y = batches[step]
        model.train_on_batch(np.asarray(views(**x)), y)
    return model


def assert_same_weights(model, other):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "more",
    [
        {},
        pytest.param({"num_microbatches": 3}, marks=pytest.mark.slow),
        pytest.param(
            {"queue_size": 8, "encoder_momentum": 0.5},
            marks=pytest.mark.release,
        ),
    ],
)
def test_a_fit_equals_one_to_the_same_views_as_arrays(more):
    views = some_views()
    model = contrastive(views, **more)
    batches = views.batches(IMAGES, LABELS, batch_size=7)
    model.fit(batches, epochs=2, verbose=0)
    assert_same_weights(model, fitted_to_arrays(views, 2, **more))


@pytest.mark.slow
def test_a_fit_that_goes_on_equals_one_without_a_break():
    views = some_views()
    broken = contrastive(views)
    batches = views.batches(IMAGES, LABELS, batch_size=7)
    broken.fit(batches, epochs=2, verbose=0)
    broken.fit(batches, epochs=3, initial_epoch=2, verbose=0)
    assert_same_weights(broken, fitted_to_arrays(views, 3))


@pytest.mark.release
def test_xla_compiles_the_views_into_the_step():
    views = some_views("simclr", blur_probability=0.5)
    model = contrastive(views, compiled={"jit_compile": True})
    batches = views.batches(IMAGES, LABELS, batch_size=7)
    model.fit(batches, epochs=1, verbose=0)
    assert_same_weights(model, fitted_to_arrays(views, 1))


@pytest.mark.slow
def test_a_tf_dataset_of_numbers_is_fitted_and_evaluated():
    views = some_views()
    model = contrastive(views)
    batches = numbered_batches((IMAGES, LABELS), batch_size=7, seed=3)
    model.fit(batches, epochs=1, steps_per_epoch=2, verbose=0)
    other = contrastive()
    for x, y in batches.take(2):
        other.train_on_batch(np.asarray(views(**x)), y)
    assert_same_weights(model, other)
    logs = model.evaluate(batches, steps=1, verbose=0, return_dict=True)
    assert np.isfinite(logs["loss"])


@pytest.mark.slow
def test_numbered_images_are_evaluated_and_predicted_once():
    views = some_views()
    model = contrastive(views)
    batches = views.batches(IMAGES, LABELS, batch_size=7)
    model.fit(batches, validation_data=batches, epochs=1, verbose=0)
    assert model.predict(batches, verbose=0).shape == (14, 2, 3)
    first, second = (model.evaluate(batches, verbose=0) for _ in range(2))
    np.testing.assert_allclose(first, second)


@pytest.mark.release
def test_two_replicas_make_the_views_of_one(two_replicas):
    views = some_views()
    batches = numbered_batches((IMAGES, LABELS), batch_size=7, seed=3)
    one = contrastive(views)
    one.fit(batches, epochs=1, steps_per_epoch=2, verbose=0)
    with two_replicas.scope():
        two = contrastive(views, compiled={"jit_compile": False})
    two.fit(batches, epochs=1, steps_per_epoch=2, verbose=0)
    assert_same_weights(two, one)


@pytest.mark.slow
def test_a_classifier_and_a_joint_model_make_views_too():
    views = some_views()
    batches = views.batches(IMAGES, np.eye(2)[LABELS], batch_size=7)
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    classifier = ClassificationModel(small_encoder(), 2, views=views)
    classifier.compile(optimizer="sgd", loss=cross_entropy, run_eagerly=True)
    classifier.fit(batches, verbose=0)
    joint = JointModel(small_encoder(), ProjectionHead((5, 3)), 2, views=views)
    joint.compile(
        optimizer="sgd",
        loss={"projections": SupConLoss(), "logits": cross_entropy},
        run_eagerly=True,
    )
    history = joint.fit(views.batches(IMAGES, LABELS, batch_size=7), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.slow
def test_small_views_are_made_too():
    views = some_views(small_views=1, small_view_size=3)
    encoder = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 2),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    model = SupConModel(encoder, views=views)
    model.compile(optimizer="sgd", loss=SupConLoss(), run_eagerly=True)
    batches = views.batches(IMAGES, LABELS, batch_size=7)
    model.fit(batches, verbose=0)
    x, _ = batches[0]
    assert model(x).shape == (7, 3, 4)


def test_mixed_precision_takes_views_on_the_device():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        views = some_views()
        model = contrastive(views)
        batches = views.batches(IMAGES, LABELS, batch_size=7)
        history = model.fit(batches, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history.history["loss"]).all()


def test_a_file_keeps_the_views(tmp_path):
    views = some_views(area=(0.3, 0.9))
    model = contrastive(views)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.views.get_config() == views.get_config()
    x, _ = views.batches(IMAGES, LABELS, batch_size=7)[0]
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((IMAGES, LABELS), "images or views without numbers"),
        (
            ({"images": IMAGES, "numbers": np.arange(14)}, LABELS),
            "the same in each epoch",
        ),
    ],
)
def test_a_fit_without_new_views_each_epoch_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        contrastive(some_views()).fit(*arguments, verbose=0)


def test_numbers_need_a_model_with_views():
    batches = some_views().batches(IMAGES, LABELS, batch_size=7)
    with pytest.raises(ValueError, match="must be given to a model with views"):
        contrastive().fit(batches, verbose=0)


def test_views_are_an_object():
    with pytest.raises(ValueError, match="`views` must be None or DeviceViews"):
        SupConModel(small_encoder(), views="device")
