"""What fit, evaluate and predict refuse or warn of before the first step."""

import pathlib
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import images, small_encoder

import supcon_tf
from supcon_tf import SupConLoss, SupConModel

X, Y = images(8, 2, 4, 4, 3), np.arange(8) % 4
NAMES = np.array(list("abcd"))[Y]


def compiled(loss=None, **options):
    model = SupConModel(small_encoder(), **options)
    model.compile("sgd", loss or SupConLoss(), run_eagerly=True)
    return model


def batches(x, y, size=4):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


def views(**options):
    return supcon_tf.view_batches(
        (X[:, 0], Y),
        supcon_tf.augmentations.crop_flip,
        num_views=2,
        batch_size=4,
        image_size=4,
        seed=0,
        **options,
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.stack([Y, Y], 1), "must be one-hot"),
        (Y + 0.5, "must be whole numbers"),
        (np.where(Y == 1, np.nan, Y), "must be whole numbers"),
        (0.9 * np.eye(4)[Y] + 0.025, "must be whole numbers"),
        (np.zeros((8, 4)), "must be one-hot"),
        (NAMES, "np.unique(names, return_inverse=True)"),
        (NAMES.astype("S"), "np.unique(names, return_inverse=True)"),
        (NAMES.astype(object), "np.unique(names, return_inverse=True)"),
    ],
    ids=range(8),
)
def test_labels_that_are_no_classes_are_refused_as_the_loss_does(
    labels, message
):
    model = compiled()
    doors = [
        lambda: model.fit(X, labels),
        lambda: model.evaluate(X, labels),
        lambda: model.fit(X, Y, validation_data=(X, labels)),
        lambda: model.train_on_batch(X, labels),
    ]
    if labels.dtype != object:
        doors.append(lambda: model.fit(batches(X, labels)))
    for door in doors:
        with pytest.raises(ValueError) as error:
            door()
        assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_labels_in_every_legal_form_train_alike():
    losses = set()
    for labels in (
        Y, Y[:, None], -Y, Y * 1.0, np.float16(Y), Y + 10**15, np.uint64(Y),
        np.eye(4)[Y], np.eye(4, dtype=int)[Y], np.eye(4, dtype=bool)[Y],
        tf.constant(Y), Y.tolist(),
    ):  # fmt: skip
        losses.add(first_loss(X, labels, shuffle=False))
    for labels in (Y[:, None], Y * 1.0, np.eye(4)[Y]):
        losses.add(first_loss(batches(X, labels, 8)))
    assert len(losses) == 1


def first_loss(*data, **options):
    keras.utils.set_random_seed(0)
    history = compiled().fit(*data, verbose=0, **options).history
    return round(history["loss"][0], 5)


def test_rows_and_targets_are_legal_for_their_losses():
    for loss, labels in (
        (supcon_tf.SoftSupConLoss(supcon_tf.similarities.Cosine()), None),
        (supcon_tf.RankNContrastLoss(), Y + 0.5),
        (supcon_tf.RankNContrastLoss(), np.stack([Y, Y + 0.25], 1)),
        (keras.losses.MeanSquaredError(), np.zeros((8, 2, 6))),
    ):
        labels = 0.9 * np.eye(4)[Y] if labels is None else labels
        compiled(loss)._check_labels(labels)
    with pytest.raises(ValueError, match="must be finite numbers"):
        compiled(supcon_tf.RankNContrastLoss()).fit(X, Y * np.nan)


def test_a_classifier_refuses_names_and_rows_with_nan():
    model = supcon_tf.ClassificationModel(small_encoder(), 4)
    model.compile("sgd", keras.losses.CategoricalCrossentropy())
    for labels, message in (
        (NAMES, "np.unique"),
        (np.eye(4)[Y] * np.nan, "must be finite"),
        (Y + 1, r"must be in \[0, num_classes\)"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "number"),
    [
        (views, "steps_per_epoch=2"),
        (lambda: batches(X, Y).repeat(), "number of images // batch_size"),
    ],
)
def test_batches_without_end_need_the_number_of_steps(make, number):
    endless, model = make(), compiled()
    steps = number.removeprefix("steps_per_epoch=")
    for door, name in (
        (lambda: model.fit(endless), "steps_per_epoch"),
        (
            lambda: model.fit(X, Y, validation_data=endless),
            "validation_steps",
        ),
        (lambda: model.evaluate(endless), "steps"),
        (lambda: model.predict(endless), "steps"),
    ):
        with pytest.raises(ValueError) as error:
            door()
        assert f"`{name}` must be given with endless" in str(error.value)
        assert f"{name}={steps} is one pass" in str(error.value)


def generated(count=3):
    for _ in range(count):
        yield X[:4], Y[:4]


def test_a_generator_is_refused_for_more_passes_than_one():
    """Keras took its first two batches for all from the second epoch on."""
    model = compiled()
    for options, name in (
        ({"x": generated()}, "steps_per_epoch"),
        ({"x": X, "y": Y, "validation_data": generated()}, "validation_steps"),
    ):
        with pytest.raises(ValueError, match="must be given with a gen") as e:
            model.fit(epochs=2, **options)
        assert f"`{name}`" in str(e.value) and "\n" not in str(e.value)


@pytest.mark.slow
def test_a_generator_is_taken_once_or_by_steps(recwarn):
    model = compiled()
    model.fit(generated(), verbose=0)
    model.fit(generated(4), epochs=2, steps_per_epoch=2, verbose=0)
    model.fit(generated(), initial_epoch=4, epochs=5, verbose=0)
    validation = {"validation_data": generated(), "verbose": 0}
    model.fit(X, Y, epochs=2, validation_freq=2, **validation)
    validation["validation_data"] = generated()
    model.fit(X, Y, epochs=3, validation_freq=[2], **validation)
    assert model.predict(generated(), verbose=0).shape == (12, 2, 6)
    assert not [w for w in recwarn if "goes on" in str(w.message)]


def test_a_generator_that_goes_on_is_told_how_it_would_end():
    model = SupConModel(small_encoder())
    batches = model._checked_each(generated(1001), "steps")
    with pytest.warns(UserWarning, match="`steps` would end one that never"):
        assert len(list(batches)) == 1001


class WithoutLength(keras.utils.PyDataset):
    def __getitem__(self, index):
        return X[:4], Y[:4]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (lambda: WithoutLength(), "PyDataset must have `__len__`"),
        (lambda: [(X, Y), (X, Y)], "list of views must hold V arrays"),
        (lambda: (X[:4] for _ in range(2)), "must yield tuples"),
    ],
    ids=["no length", "a list of batches", "images alone"],
)
def test_what_yields_no_batches_is_refused_in_one_line(x, message):
    model = compiled()
    for door in (
        lambda: model.fit(x()),
        lambda: model.evaluate(x()),
        lambda: model.predict(x()),
        lambda: model.fit(X, Y, validation_data=x()),
    ):
        with pytest.raises(ValueError, match=message) as error:
            door()
        assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.slow
def test_with_a_number_of_steps_they_are_taken():
    model = compiled()
    model.fit(
        views(),
        steps_per_epoch=1,
        validation_data=views(),
        validation_steps=1,
        verbose=0,
    )
    assert len(model.evaluate(views(), steps=1, verbose=0)) == 4
    assert model.predict(views(), steps=2, verbose=0).shape == (8, 2, 6)


ONE_VIEW = X[:, :1]


def before_a_release(*case):
    return pytest.param(*case, marks=pytest.mark.release)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "y", "options", "what"),
    [
        (ONE_VIEW, None, {}, "no labels and 1 view"),
        before_a_release(X[:, 0], None, {}, "no labels and 1 view"),
        before_a_release(
            X[:, 0], np.arange(8), {}, "labels that all differ and 1 view"
        ),
        (X[:, 0], np.eye(8), {}, "labels that all differ and 1 view"),
        before_a_release(X, Y, {"batch_size": 1}, "one image and 2 views"),
        before_a_release(X, None, {"batch_size": 1}, "no labels and 2 views"),
        (batches(X, Y, 1), None, {}, "one image and 2 views"),
    ],
    ids=range(7),
)
def test_a_fit_that_cannot_train_says_so_once(x, y, options, what):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        history = compiled().fit(x, y, verbose=0, **options)
    told = [str(w.message) for w in seen if "trains nothing" in str(w.message)]
    assert abs(history.history["loss"][0]) < 1e-6
    assert len(told) == 1 and what in told[0]


def fitted_views(labels, num_views, **options):
    batches = supcon_tf.view_batches(
        (X[:, 0], labels),
        "crop_flip",
        num_views=num_views,
        batch_size=4,
        image_size=4,
        seed=0,
    )
    compiled(**options).fit(batches, steps_per_epoch=1, verbose=0)


@pytest.mark.slow
def test_batches_of_views_tell_what_is_known_of_all_labels():
    """A Dataset's labels are read in the graph; view_batches knows them."""
    for labels in (np.arange(8), np.eye(8)):
        with pytest.warns(UserWarning, match="labels that all differ and 1 v"):
            fitted_views(labels, 1)
    with pytest.warns(UserWarning, match="images that are all unlabeled"):
        fitted_views(np.full(8, -1), 1, loss=SupConLoss(unlabeled_label=-1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fitted_views(np.arange(8), 2)
        # The first four labels differ, and trained well with one view.
        fitted_views(Y, 1)
    assert not [w for w in seen if "trains nothing" in str(w.message)]


@pytest.mark.slow
def test_batches_of_numbered_images_tell_what_is_known_of_all_labels():
    made = {"num_views": 1, "image_size": 4, "seed": 0}
    for labels, is_told in ((np.arange(8), True), (Y, False)):
        for data in (
            supcon_tf.DeviceViews("crop_flip", **made).batches(
                X[:, 0], labels, batch_size=4
            ),
            supcon_tf.numbered_batches((X[:, 0], labels), batch_size=4, seed=0),
        ):
            views = supcon_tf.DeviceViews("crop_flip", **made)
            model = compiled(views=views)
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                model.fit(data, steps_per_epoch=1, verbose=0)
            told = [w for w in seen if "trains nothing" in str(w.message)]
            assert len(told) == is_told


@pytest.mark.slow
def test_a_single_batch_that_trains_nothing_says_so():
    model = compiled()
    for x, y in ((ONE_VIEW, None), (ONE_VIEW, np.arange(8)), (X[:1], Y[:1])):
        with pytest.warns(UserWarning, match="trains nothing") as caught:
            model.train_on_batch(x, y)
        assert __file__ in {w.filename for w in caught}
    model.train_on_batch(tuple(X[:, v] for v in range(2)), None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "y", "options"),
    [
        (X, None, {}),
        before_a_release(X[:, 0], Y, {}),
        (X, np.arange(8), {}),
        before_a_release([X[:, 0]] * 3, None, {"batch_size": 1}),
    ],
    ids=range(4),
)
def test_a_fit_that_trains_says_nothing(x, y, options, recwarn):
    compiled().fit(x, y, verbose=0, **options)
    assert not [w for w in recwarn if "trains nothing" in str(w.message)]


def test_a_loss_without_positives_that_still_trains_says_nothing(recwarn):
    loss = supcon_tf.AlignmentUniformityLoss()
    compiled(loss).fit(X, np.arange(8), verbose=0)
    assert not [w for w in recwarn if "trains nothing" in str(w.message)]


@pytest.mark.parametrize(
    "metric",
    ["accuracy", "acc", keras.metrics.SparseCategoricalAccuracy()],
    ids=str,
)
def test_metrics_of_scores_are_refused_for_projections(metric):
    for name in ("metrics", "weighted_metrics"):
        model = SupConModel(small_encoder())
        model.compile("sgd", SupConLoss(), **{name: [metric]})
        for method in (model.fit, model.evaluate):
            with pytest.raises(ValueError, match=r"contrastive_top_1.*KNNCall"):
                method(X, Y)
    joint = supcon_tf.JointModel(small_encoder(), None, 4)
    joint.compile("sgd", metrics={"logits": [metric]})
    joint._check_metrics()
    joint.compile("sgd", metrics={"projections": [metric]})
    with pytest.raises(ValueError, match="must be of projections"):
        joint._check_metrics()


def test_paths_and_labelled_images_are_no_pixels():
    model = compiled()
    pets = supcon_tf.LabelledImages(X[:, 0], Y, tuple("abcd"))
    for x, message in (
        (NAMES, "read=tf.io.read_file"),
        (NAMES.astype("S"), "read=tf.io.read_file"),
        (pets, "Received: LabelledImages"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, Y)


def test_paths_are_no_pixels_in_any_form_or_method():
    """Keras printed all of them, or TensorFlow its cast of a string."""
    pets = supcon_tf.LabelledImages(X[:, 0], Y, tuple("abcd"))
    model = compiled()
    classifier = supcon_tf.LinearClassifier(small_encoder(), 2)
    classifier.compile("sgd", "sparse_categorical_crossentropy")
    doors = [model.predict, model.encode, classifier.predict]
    for x in (NAMES, NAMES.tolist(), "a.png", pathlib.Path("a.png")):
        for door in doors:
            with pytest.raises(ValueError, match="must be pixels") as error:
                door(x)
            assert len(str(error.value)) < 180
    classifier(X[:, 0])
    with pytest.raises(ValueError, match="must be pixels"):
        classifier(NAMES)
    with pytest.raises(ValueError, match="Received: LabelledImages"):
        model.encode(pets)


def test_predict_says_that_it_gives_projections():
    assert "projections" in SupConModel.predict.__doc__.split("\n")[0]
    assert "encode" in SupConModel.predict.__doc__.split("\n")[0]


def test_each_batch_of_a_generator_is_checked():
    """The first one alone was."""
    model = SupConModel(small_encoder())
    model.compile(loss=SupConLoss(), run_eagerly=True)

    def batches(bad):
        for high in (1, bad):
            yield images(4, 2, 4, 4, 3) * high, np.array([0, 0, 1, 1])

    model.fit(batches(1), verbose=0)
    with pytest.raises(ValueError, match="Divide floats in 0 to 255 by 255"):
        model.fit(batches(255), verbose=0)


@pytest.mark.slow
def test_a_batch_of_a_generator_is_refused_without_the_lines_of_a_graph():
    model = SupConModel(small_encoder())
    model.compile(loss=SupConLoss())

    def batches():
        for high in (1, 1, 1, 255):
            yield images(4, 2, 4, 4, 3) * high, np.array([0, 0, 1, 1])

    with pytest.raises(ValueError, match=r"^Float images must lie in"):
        model.fit(batches(), verbose=0)


def test_views_one_by_one_are_a_tuple_in_the_batches_of_a_generator():
    model = compiled()
    x = [X[:4, 0], X[:4, 1]]
    with pytest.raises(ValueError, match="must be a tuple of arrays"):
        model.fit(batch for batch in [(x, Y[:4])])
    model.fit((batch for batch in [(tuple(x), Y[:4])]), verbose=0)


@pytest.mark.parametrize("x", [X.tolist(), [X[:, 0].tolist()] * 2, 3.0])
def test_numbers_that_are_no_array_are_refused_in_one_line(x):
    """Keras printed all of them."""
    with pytest.raises(ValueError, match=r"np\.asarray") as error:
        compiled().fit(x, Y)
    assert len(str(error.value)) < 120


def test_images_without_views_are_named_where_the_input_shape_is_unknown():
    layers = keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()
    model = SupConModel(keras.Sequential(layers))
    model.compile("sgd", SupConLoss(), run_eagerly=True)
    with pytest.raises(ValueError, match=r"must be views \[B, V, ...\]"):
        model.fit(X[:, 0], Y)


def test_labels_to_validate_with_may_be_a_list():
    """Keras refused them, and printed all images."""
    history = compiled().fit(
        X, Y.tolist(), validation_data=(X, Y.tolist()), verbose=0
    )
    assert "val_loss" in history.history


@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 5, 3), (3, 4, 4)])
def test_images_of_another_shape_are_refused_in_one_line(shape):
    """Keras said it in nine lines, of its own layers."""
    for x in (np.zeros((8, *shape)), np.zeros((8, 2, *shape))):
        with pytest.raises(ValueError, match=r"^Images must have the encoder"):
            compiled().fit(x, Y)


def test_a_single_label_is_refused_in_one_line():
    for method in (compiled().fit, compiled().train_on_batch):
        with pytest.raises(ValueError, match="one for each image"):
            method(X, 3)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_a_number_of_steps_that_is_none_is_refused(steps):
    """With 0 an endless Dataset trained for ever."""
    model = compiled()
    for method, name in (
        (model.fit, "steps_per_epoch"),
        (model.evaluate, "steps"),
        (model.predict, "steps"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be an int >= 1"):
            method(views(), **{name: steps})
