"""Views of two sizes, through SupConModel: full ones first, then small ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often
from small_models import images, small_encoder
from tiny_encoder import tiny

from supcon_tf import (
    ClassificationModel,
    JointModel,
    ProjectionHead,
    SupConLoss,
    SupConModel,
    supcon_loss,
)

LABELS = np.arange(8) % 3


def two_sizes(size=8, seed=0):
    return {
        "views": images(size, 2, 12, 12, 3, seed=seed),
        "small_views": images(size, 3, 8, 8, 3, seed=seed + 1),
    }


def conv_model(loss=None, shape=(None, None, 3), **options):
    keras.utils.set_random_seed(0)
    model = SupConModel(tiny(shape), ProjectionHead((8, 4)), **options)
    model.compile(keras.optimizers.SGD(0.1), loss or SupConLoss())
    return model


def test_the_projections_are_those_of_each_size_full_views_first():
    model, x = conv_model(), two_sizes()
    expected = np.concatenate([model(x["views"]), model(x["small_views"])], 1)
    assert expected.shape == (8, 5, 4)
    np.testing.assert_allclose(model(x), expected, rtol=1e-6)


def test_a_joint_model_has_the_outputs_of_each_size_from_each_head():
    keras.utils.set_random_seed(0)
    model = JointModel(tiny((None, None, 3)), ProjectionHead((8, 4)), 3)
    x = two_sizes()
    outputs, full, small = model(x), model(x["views"]), model(x["small_views"])
    assert list(outputs) == ["projections", "logits"]
    for name, values in outputs.items():
        expected = np.concatenate([full[name], small[name]], 1)
        np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("anchors", "labels"),
    [
        ("first", LABELS),
        pytest.param("all", LABELS, marks=pytest.mark.release),
        pytest.param("all", None, marks=pytest.mark.release),
    ],
)
def test_a_step_has_the_loss_of_the_concatenated_projections(anchors, labels):
    model, x = conv_model(SupConLoss(anchors=anchors)), two_sizes()
    model.build({name: views.shape for name, views in x.items()})
    before = keras.models.clone_model(model.encoder)
    before.set_weights(model.encoder.get_weights())
    head = model.projection_head

    def projections(views):
        """By hand: one call of encoder and head for each size."""
        folded = views.reshape(-1, *views.shape[2:])
        z = head(before(folded, training=True))
        return tf.reshape(z, (8, -1, 4))

    z = tf.concat([projections(x["views"]), projections(x["small_views"])], 1)
    expected = np.mean(supcon_loss(labels, z, anchors=anchors))
    data = tf.data.Dataset.from_tensors(x if labels is None else (x, labels))
    logs = model.fit(data, verbose=0).history
    np.testing.assert_allclose(logs["contrastive_loss"], [expected], rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], [expected], rtol=1e-5)
    # The moving averages were updated once for each size, in that order.
    for a, b in zip(
        before.non_trainable_weights,
        model.encoder.non_trainable_weights,
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.release
@pytest.mark.parametrize("is_joint", often([False, True], True))
def test_microbatches_of_two_sizes_train_as_the_whole_batch_does(is_joint):
    ends = []
    for pieces in (1, 3):
        keras.utils.set_random_seed(0)
        encoder = keras.Sequential(
            [
                keras.Input((None, None, 3)),
                keras.layers.Conv2D(6, 3, activation="relu"),
                keras.layers.GlobalAveragePooling2D(),
            ]
        )
        head, loss = ProjectionHead((8, 4)), SupConLoss()
        if is_joint:
            model = JointModel(encoder, head, 3, num_microbatches=pieces)
            logits = keras.losses.CategoricalCrossentropy(from_logits=True)
            loss = {"projections": loss, "logits": logits}
        else:
            model = SupConModel(encoder, head, num_microbatches=pieces)
        model.compile(keras.optimizers.SGD(0.1), loss)
        model.fit(two_sizes(), LABELS, batch_size=8, verbose=0)
        ends.append(model.get_weights())
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("encoder_momentum", [None, 0.0])
def test_the_queue_takes_the_full_views_alone(encoder_momentum):
    model = conv_model(queue_size=40, encoder_momentum=encoder_momentum)
    x = two_sizes()
    z = [model(x, training=True)]
    model.fit(x, LABELS, batch_size=8, shuffle=False, verbose=0)
    z.append(model(x, training=True))  # with the weights after the step
    ids, projections, is_filled = (np.array(p) for p in model.queue.items())
    assert is_filled.sum() == 16
    np.testing.assert_array_equal(ids[:16], np.repeat(LABELS, 2))
    expected = z[0 if encoder_momentum is None else 1][:, :2]
    np.testing.assert_allclose(
        projections[:16], np.reshape(expected, (16, 4)), atol=1e-5
    )


@pytest.mark.release
def test_a_model_of_two_sizes_goes_on_after_loading(tmp_path):
    model, x = conv_model(), two_sizes()
    model.fit(x, LABELS, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    logs = []
    for each in (model, again):
        each.reset_metrics()
        logs.append(each.train_on_batch(x, LABELS))
    np.testing.assert_allclose(*logs, rtol=1e-5)


@pytest.mark.parametrize("shape", [(12, 12, 3), (None, 8, 3)])
def test_an_encoder_of_one_size_is_refused_in_one_line(shape):
    x = two_sizes()
    with pytest.raises(ValueError, match="must take images of any size") as e:
        conv_model(shape=shape).fit(x, LABELS, verbose=0)
    assert "\n" not in str(e.value)
    with pytest.raises(ValueError, match="must take images of any size"):
        conv_model(shape=shape)(x)


def test_small_views_of_which_the_encoder_leaves_nothing_are_refused():
    x = {**two_sizes(), "small_views": images(8, 3, 4, 4, 3)}
    with pytest.raises(ValueError, match="must be large enough") as error:
        conv_model().fit(x, LABELS, verbose=0)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_small_views_need_a_views_axis():
    x = two_sizes()
    with pytest.raises(ValueError, match="must take images of any size"):
        conv_model()({**x, "small_views": x["small_views"][:, 0]})


def test_an_encoder_of_one_size_takes_two_kinds_of_views_of_that_size():
    model = SupConModel(small_encoder(), ProjectionHead((4,)))
    x = {"views": images(3, 2, 4, 4, 3), "small_views": images(3, 1, 4, 4, 3)}
    assert model(x).shape == (3, 3, 4)


@pytest.mark.parametrize("names", [["views"], ["views", "little_views"]])
def test_a_dict_of_other_names_is_refused(names):
    x = dict.fromkeys(names, images(3, 2, 8, 8, 3))
    with pytest.raises(ValueError, match="must be a dict of views and small"):
        conv_model()(x)


@pytest.mark.slow
def test_a_classifier_has_the_loss_of_all_views_of_an_image():
    keras.utils.set_random_seed(0)
    model = ClassificationModel(tiny((None, None, 3)), 3)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    x = two_sizes()
    logits = model(x)
    assert logits.shape == (8, 5, 3)
    one_hot = np.repeat(np.eye(3)[LABELS][:, None], 5, axis=1)
    logs = model.evaluate(x, LABELS, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["loss"], loss(one_hot, logits), rtol=1e-5)
