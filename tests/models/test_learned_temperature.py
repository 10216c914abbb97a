"""A temperature that is trained with the encoder."""

import keras
import numpy as np
import pytest
from often import often
from replica_fits import compare
from small_models import images, small_encoder

from supcon_tf import JointModel, ProjectionHead, SupConLoss, SupConModel
from supcon_tf.losses import (
    AlignmentUniformityLoss,
    CACRLoss,
    GroCoLoss,
    RankNContrastLoss,
    SINCERELoss,
)

X, Y = images(16, 2, 4, 4, 3), np.arange(16) % 3


def model_of(loss=None, rate=0.1, optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = SupConModel(
        small_encoder(),
        ProjectionHead((8, 4)),
        learn_temperature=True,
        **options,
    )
    loss = SupConLoss(0.2) if loss is None else loss
    model.compile(optimizer or keras.optimizers.SGD(rate), loss)
    return model


def fitted(model, epochs=1):
    return model.fit(
        X, Y, batch_size=16, epochs=epochs, shuffle=False, verbose=0
    ).history


def slope(model, loss_of, step=1e-3):
    """The derivative by the log of 1 / temperature, and the temperature."""
    t = float(model.temperature)
    high, low = (loss_of(t * np.exp(-s)) for s in (step, -step))
    return (float(high) - float(low)) / (2 * step), t


@pytest.mark.slow
@pytest.mark.parametrize("loss", often([SupConLoss, SINCERELoss], SupConLoss))
def test_a_step_moves_the_weight_down_the_slope(loss):
    model = model_of(loss(0.2), queue_size=40)
    fitted(model)
    queue = [np.array(part) for part in model.queue.items()]
    z, before = np.array(model(X), "float64"), float(model.log_scale)

    def loss_of(t):
        return loss(t, dtype="float64")(Y, z, queue=queue)

    expected, t = slope(model, loss_of)
    model.reset_metrics()
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert abs(expected) > 0.05
    moved = float(model.log_scale) - before
    np.testing.assert_allclose(moved, -0.1 * expected, rtol=1e-3)
    np.testing.assert_allclose(logs["temperature"], t, rtol=1e-6)
    np.testing.assert_allclose(logs["contrastive_loss"], loss_of(t), rtol=1e-5)
    collapsed, _ = loss(t).reference_values(Y, z, queue=queue)
    np.testing.assert_allclose(logs["collapsed_loss"], collapsed, rtol=1e-5)


@pytest.mark.slow
def test_the_weight_starts_at_the_temperature_of_the_loss_in_either_order():
    model = model_of(SupConLoss(0.25))
    model.build(X.shape)
    np.testing.assert_allclose(model.temperature, 0.25, rtol=1e-6)
    model = SupConModel(small_encoder(), learn_temperature=True)
    assert model.temperature is None
    model.build(X.shape)
    model.compile("sgd", SupConLoss(0.25))
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["temperature"], 0.25, rtol=1e-6)
    expected = SupConLoss(0.25)(Y, model(X))
    np.testing.assert_allclose(logs["contrastive_loss"], expected, rtol=1e-5)
    model.compile("sgd", SupConLoss(0.5))  # what it has learned stays
    model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(model.temperature, 0.25, rtol=1e-6)


@pytest.mark.release
@pytest.mark.parametrize("compiled", often([True, False], True))
def test_the_weight_is_saved_and_loaded(tmp_path, compiled):
    model = model_of()
    first = fitted(model, epochs=2)["temperature"]
    assert first[1] != first[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=compiled)
    if not compiled:
        again.compile(keras.optimizers.SGD(0.1), SupConLoss(0.2))
    np.testing.assert_array_equal(again.log_scale, model.log_scale)
    histories = [fitted(each) for each in (model, again)]
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-5)


@pytest.mark.release
def test_it_is_the_same_in_microbatches():
    expected, model = model_of(), model_of(num_microbatches=3)
    for each in (expected, model):
        fitted(each, epochs=2)
    np.testing.assert_allclose(model.log_scale, expected.log_scale, rtol=1e-5)
    assert abs(float(model.temperature) - 0.2) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("bound", often([0.01, 1.0], 0.01))
def test_the_temperature_stays_within_bounds_and_is_not_stuck_there(bound):
    temperatures = []
    for rate in (0.1, -0.1):  # up and down the slope
        model = model_of(SupConLoss(bound), rate)
        fitted(model)
        temperatures.append(float(model.temperature))
    kept, moved = sorted(temperatures, key=lambda t: abs(t - bound))
    np.testing.assert_allclose(kept, bound, rtol=1e-6)
    assert 0.01 < moved < 1
    assert abs(moved / bound - 1) > 1e-4


@pytest.mark.slow
def test_the_weight_is_not_decayed_and_other_exclusions_stay():
    optimizer = keras.optimizers.AdamW(0.0, weight_decay=1e3)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.learning_rate = 1e-4
    model = model_of(optimizer=optimizer)
    model.build(X.shape)
    before = float(model.log_scale)
    bias, kernel = (
        model.encoder.layers[-1].bias,
        model.encoder.layers[-1].kernel,
    )
    bias.assign(np.ones(bias.shape))
    size = float(np.abs(kernel).sum())
    fitted(model)
    assert abs(float(model.log_scale) - before) < 2e-4
    assert np.abs(np.array(bias) - 1).max() < 2e-4
    assert np.abs(kernel).sum() < 0.95 * size


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy", often(["mixed_bfloat16", "mixed_float16"], "mixed_float16")
)
def test_the_weight_is_float32_in_mixed_precision(policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = model_of()
        history = fitted(model, epochs=3)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert model.log_scale.dtype == "float32"
    assert model.temperature.dtype == "float32"
    assert np.isfinite(history["loss"]).all()
    assert len(set(history["temperature"])) == 3


@pytest.mark.slow
def test_a_joint_model_learns_it_too(tmp_path):
    model = JointModel(small_encoder(), None, 3, learn_temperature=True)
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(
        "sgd", {"projections": SupConLoss(0.3), "logits": cross_entropy}
    )
    history = fitted(model, epochs=2)
    np.testing.assert_allclose(history["temperature"][0], 0.3, rtol=1e-6)
    assert history["temperature"][1] != history["temperature"][0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.log_scale, model.log_scale)


@pytest.mark.release
def test_two_replicas_learn_the_temperature_of_one(two_replicas, float64):
    result = compare("joint, temperature", two_replicas)
    assert result["moved"] > 0.03
    assert result["weights"] <= 1e-12, result
    assert result["logs"]["temperature"] <= 1e-6, result
    assert result["logs"]["loss"] <= 1e-12, result


@pytest.mark.parametrize(
    "loss",
    [
        RankNContrastLoss(),
        GroCoLoss(),
        CACRLoss(),
        AlignmentUniformityLoss(),
        SupConLoss(2.0),
        SupConLoss(keras.ops.ones((16,))),
    ],
)
def test_a_loss_without_one_such_temperature_is_refused(loss):
    model = model_of(loss)
    with pytest.raises(ValueError) as error:
        model.fit(X, Y, verbose=0)
    assert str(error.value).startswith(
        "SupConModel(learn_temperature=True) must be compiled with a loss that "
        "has one temperature, from 0.01 to 1.0, such as SupConLoss(0.1). "
        f"Received: {type(loss).__name__} with temperature="
    )


def test_the_setting_is_a_flag():
    with pytest.raises(ValueError, match="`learn_temperature` must be True or"):
        SupConModel(small_encoder(), learn_temperature=0.1)
