import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import assert_slopes, random_projections
from small_models import images, small_encoder

from supcon_tf import (
    FeatureTransformation,
    HardNegativeMixing,
    ProjectionHead,
    SupConLoss,
    SupConModel,
)
from supcon_tf.models import feature_mixing
from supcon_tf.models.feature_mixing import extrapolated, mixed_negatives

# Zhu et al. and Kalantidis et al. compare unit vectors by their product.
QUERY, POSITIVE = np.array([1, 2, 2]) / 3, np.array([2, 1, 2]) / 3
QUEUE = np.array([[0, -3, 0], [3, 0, 0], [-2, 2, 1]]) / 3


def unit(*shape, seed=0):
    z = random_projections(*shape, seed=seed)
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def queue_of(vectors, labels=None, filled=None):
    size = len(vectors)
    return (
        labels if labels is None else np.asarray(labels),
        vectors,
        np.arange(size) < (size if filled is None else filled),
    )


@pytest.mark.parametrize(
    ("similarity", "share", "expected"),
    [(8 / 9, 1.5, 0.722222222), (0.2, 1.3, -0.424)],
)
def test_extrapolation_lowers_the_similarity_as_its_closed_form_says(
    similarity, share, expected
):
    other = [similarity, np.sqrt(1 - similarity**2)]
    first, second = extrapolated(np.array([[[1.0, 0.0], other]]), share)[0]
    closed = similarity + 2 * share * (1 - share) * (1 - similarity)
    np.testing.assert_allclose(np.dot(first, second), expected, atol=1e-9)
    np.testing.assert_allclose(closed, expected, atol=1e-9)


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("per_dimension", [True, False])
def test_the_views_of_an_image_are_extrapolated_in_a_circle(
    views, per_dimension
):
    z = unit(5, views, 4)
    layer = FeatureTransformation(per_dimension=per_dimension, seed=3)
    x = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        mixed = layer(x, training=True)
        value = tf.reduce_sum(mixed**3)
    shape = (5, 1, 4 if per_dimension else 1)
    share = 1 + np.array(
        keras.random.beta(
            shape, 2.0, 2.0, "float64", keras.random.SeedGenerator(3)
        )
    )
    share = np.broadcast_to(share, (5, 1, 4))[:, 0]

    def by_loops(z):
        out = np.zeros_like(z)
        for b in range(5):
            for v in range(views):
                after = z[b, (v + 1) % views]
                out[b, v] = share[b] * z[b, v] + (1 - share[b]) * after
        return out

    assert ((share >= 1) & (share <= 2)).all()
    np.testing.assert_allclose(mixed, by_loops(z), rtol=1e-12)
    assert_slopes(
        lambda z: np.sum(by_loops(z) ** 3),
        z,
        tape.gradient(value, x).numpy(),
        atol=1e-6,
    )


def test_one_view_and_inference_change_nothing():
    layer = FeatureTransformation()
    one, two = unit(5, 1, 4), unit(5, 2, 4)
    np.testing.assert_allclose(layer(one, training=True), one, rtol=1e-12)
    np.testing.assert_array_equal(layer(two), two)
    np.testing.assert_array_equal(layer(two, training=False), two)
    queue = queue_of(unit(6, 4), np.arange(6))
    np.testing.assert_array_equal(layer.mix_queue(queue)[1], queue[1])


def test_an_alpha_of_none_leaves_out_its_part():
    z, queue = unit(5, 2, 4), queue_of(unit(6, 4), np.zeros(6, int))
    layer = FeatureTransformation(positive_alpha=None)
    np.testing.assert_array_equal(layer(z, training=True), z)
    assert np.abs(layer.mix_queue(queue, training=True)[1] - queue[1]).max() > 0
    layer = FeatureTransformation(negative_alpha=None)
    mixed = layer.mix_queue(queue, training=True)[1]
    np.testing.assert_array_equal(mixed, queue[1])


@pytest.mark.parametrize("labels", [None, [2, 0, 2, 1, 0, 2, 2, 0, 5, 5]])
def test_a_queue_is_mixed_within_classes_and_within_what_is_filled(labels):
    # A mixture is between its two parents: what is 0 or 1 shows which.
    vectors = np.eye(10)
    layer = FeatureTransformation(per_dimension=False, seed=1)
    partners = []
    for _ in range(20):
        ids, mixed, filled = layer.mix_queue(
            queue_of(vectors, labels, filled=8), training=True
        )
        mixed = np.array(mixed)
        assert (ids is None) == (labels is None)
        np.testing.assert_array_equal(filled, np.arange(10) < 8)
        np.testing.assert_array_equal(mixed[8:], 0)  # not filled
        np.testing.assert_allclose(mixed[:8].sum(axis=1), 1)
        assert (mixed >= 0).all()
        for n in range(8):
            others = [p for p in np.flatnonzero(mixed[n]) if p != n]
            assert len(others) <= 1
            partners.append((n, others[0] if others else n))
            if labels is not None:
                assert labels[partners[-1][1]] == labels[n]
    for start in range(0, len(partners), 8):  # permutations
        chosen = {p for _, p in partners[start : start + 8]}
        assert len(chosen) == 8
    pairs = {
        (n, p)
        for n in range(8)
        for p in range(8)
        if labels is None or labels[n] == labels[p]
    }
    # 20 draws leave out (7 / 8)^20 = 7 % of the pairs.
    assert len(set(partners) & pairs) > 0.8 * len(pairs)


def test_a_seed_gives_the_same_mixtures_and_each_call_others():
    z, queue = unit(5, 2, 4), queue_of(unit(6, 4), np.zeros(6, int))
    runs = []
    for seed in (5, 5, 6):
        layer = FeatureTransformation(seed=seed)
        again = FeatureTransformation.from_config(layer.get_config())
        for each in (layer, again):
            runs.append(
                [
                    np.array(each(z, training=True)),
                    np.array(each(z, training=True)),
                    np.array(each.mix_queue(queue, training=True)[1]),
                ]
            )
    for run in runs[1:4]:
        for a, b in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(runs[0][0], runs[0][1])
    assert not np.array_equal(runs[0][0], runs[4][0])


@pytest.mark.parametrize("name", ["positive_alpha", "negative_alpha"])
@pytest.mark.parametrize("alpha", [0, -1.0, True, "2", float("nan")])
def test_an_alpha_out_of_its_range_is_refused(name, alpha):
    with pytest.raises(ValueError, match=f"`{name}` must be None or a number"):
        FeatureTransformation(**{name: alpha})


def sheet(shares=True):
    """The sheet's similarities of one query, and their InfoNCE loss, t 0.5."""
    z = tf.constant(QUERY[None])
    with tf.GradientTape() as tape:
        tape.watch(z)
        # Hardest first: entry 2 at 4 / 9, entry 1 at 1 / 3.
        mixed = mixed_negatives(
            z,
            QUEUE,
            pairs=[[[2, 1]]] if shares else np.zeros((1, 0, 2), int),
            pair_shares=[[0.3]] if shares else np.zeros((1, 0)),
            partners=[[2]] if shares else np.zeros((1, 0), int),
            anchor_shares=[[0.4]] if shares else np.zeros((1, 0)),
        )
        plain = tf.linalg.matvec(tf.constant(np.vstack([POSITIVE, QUEUE])), z)
        logits = tf.concat([plain, mixed], axis=1) / 0.5
        loss = -tf.nn.log_softmax(logits)[0, 0]
    gradient = tape.gradient(loss, z).numpy()[0]
    return np.concatenate([plain, mixed], axis=1)[0], float(loss), gradient


def test_mixed_negatives_have_the_similarities_and_losses_of_the_equation():
    similarities, loss, _ = sheet(shares=False)
    np.testing.assert_allclose(similarities, [8 / 9, -2 / 3, 1 / 3, 4 / 9])
    np.testing.assert_allclose(loss, 0.579338134, atol=1e-9)
    similarities, loss, _ = sheet()
    np.testing.assert_allclose(
        similarities[4:], [0.669438681, 0.778498944], atol=1e-9
    )
    np.testing.assert_allclose(loss, 1.172944833, atol=1e-9)


def test_the_gradient_of_mixed_negatives_takes_mixtures_as_constants():
    _, _, gradient = sheet()
    mixtures = [
        0.3 * QUEUE[2] + 0.7 * QUEUE[1],
        0.4 * QUERY + 0.6 * QUEUE[2],
    ]
    mixtures = [h / np.linalg.norm(h) for h in mixtures]
    contrasts = np.vstack([POSITIVE, QUEUE, mixtures])

    def by_loops(z):
        terms = [np.exp(z @ contrast / 0.5) for contrast in contrasts]
        return -np.log(terms[0] / sum(terms))

    assert_slopes(by_loops, QUERY, gradient, atol=1e-8)


def test_the_similarities_are_those_of_the_closed_forms():
    z, queue = unit(4, 6), unit(9, 6, seed=1)
    draws = np.random.default_rng(2)
    pairs = draws.integers(0, 9, (4, 5, 2))
    partners = draws.integers(0, 9, (4, 3))
    a, c = draws.random((4, 5)), draws.random((4, 3)) / 2
    mixed = mixed_negatives(
        z,
        queue,
        pairs=pairs,
        pair_shares=a,
        partners=partners,
        anchor_shares=c,
    ).numpy()
    for n in range(4):
        for k in range(5):
            b1, b2 = queue[pairs[n, k]]
            share, rest = a[n, k], 1 - a[n, k]
            length = share**2 + rest**2 + 2 * share * rest * (b1 @ b2)
            expected = (share * z[n] @ b1 + rest * z[n] @ b2) / np.sqrt(length)
            np.testing.assert_allclose(mixed[n, k], expected)
        for k in range(3):
            s, share, rest = z[n] @ queue[partners[n, k]], c[n, k], 1 - c[n, k]
            length = share**2 + rest**2 + 2 * share * rest * s
            expected = (share + rest * s) / np.sqrt(length)
            np.testing.assert_allclose(mixed[n, 5 + k], expected)


@pytest.mark.parametrize("labels", [None, [0, 1, 2]])
def test_only_the_hardest_negatives_that_are_filled_are_mixed(
    labels, monkeypatch
):
    given = {}

    def recording(anchors, vectors, **draws):
        given.update(draws)
        return mixed_negatives(anchors, vectors, **draws)

    monkeypatch.setattr(feature_mixing, "mixed_negatives", recording)
    z, vectors, of_queue = unit(3, 2, 4), unit(20, 4, seed=1), np.arange(20) % 4
    layer = HardNegativeMixing(3, 40, num_mixed_with_query=20, seed=0)
    queue = queue_of(vectors, of_queue, filled=15)
    similarities = layer(2 * z, queue=queue, labels=labels)
    assert similarities.shape == (6, 60)
    for row, anchor in enumerate(z.reshape(6, 4)):
        negatives = [
            q
            for q in range(15)
            if labels is None or of_queue[q] != labels[row // 2]
        ]
        hardest = sorted(negatives, key=lambda q: -anchor @ vectors[q])[:3]
        assert set(np.ravel(given["pairs"][row])) == set(hardest)
        assert set(np.ravel(given["partners"][row])) == set(hardest)
    shares = np.array(given["pair_shares"]), np.array(given["anchor_shares"])
    for share, high in zip(shares, (1, 0.5), strict=True):
        assert (share >= 0).all() and (share < high).all()
        assert abs(share.mean() - high / 2) < 0.05


def test_an_anchor_without_negatives_has_mixtures_that_do_not_count():
    queue = queue_of(unit(5, 4, seed=1), [0, 0, 0, 0, 1], filled=4)
    x = tf.constant(unit(2, 2, 4))
    layer = HardNegativeMixing(8, 3, num_mixed_with_query=2, seed=0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        similarities = layer(x, queue=queue, labels=[0, 1])
        value = tf.reduce_sum(tf.exp(similarities))
    assert np.isneginf(similarities[:2]).all()
    assert np.isfinite(similarities[2:]).all()
    gradient = tape.gradient(value, x).numpy()
    assert not gradient[0].any() and np.isfinite(gradient).all()
    assert gradient[1].any()


def test_a_seed_gives_the_same_hard_mixtures_and_each_call_others():
    queue, z = queue_of(unit(9, 4, seed=1)), unit(3, 2, 4)
    layer = HardNegativeMixing(4, 3, num_mixed_with_query=2, seed=5)
    again = HardNegativeMixing.from_config(layer.get_config())
    first, second = (layer(z, queue=queue).numpy() for _ in range(2))
    np.testing.assert_array_equal(again(z, queue=queue), first)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "`num_hardest` must be an int >= 1"),
        ((1, -1), "`num_mixed` must be an int >= 0"),
    ],
)
def test_numbers_of_mixtures_out_of_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HardNegativeMixing(*arguments)


@pytest.mark.parametrize("queue", [None, (1, 2)])
def test_what_is_no_queue_is_refused(queue):
    with pytest.raises(ValueError, match="`queue` must be a tuple"):
        HardNegativeMixing(2, 2)(unit(3, 2, 4), queue=queue)
    with pytest.raises(ValueError, match="`queue` must be a tuple"):
        FeatureTransformation().mix_queue(queue, training=True)


def model_with(mixing, queue_size=0):
    keras.utils.set_random_seed(0)
    model = SupConModel(
        small_encoder(),
        ProjectionHead((8, 4)),
        queue_size=queue_size,
        feature_mixing=mixing,
    )
    model.compile(keras.optimizers.SGD(0.0), SupConLoss(normalize=False))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("queue_size", [0, 40])
def test_a_step_has_the_loss_of_the_mixed_projections(queue_size):
    model = model_with(FeatureTransformation(seed=2), queue_size)
    same = FeatureTransformation(seed=2)
    x, y = images(8, 2, 4, 4, 3), np.arange(8) % 3
    for _ in range(3):  # at first the queue is empty
        queue = {}
        plain = model(x)
        mixed = same(plain, training=True)
        if queue_size:
            held = model.queue.items()
            queue = {"queue": same.mix_queue(held, training=True)}
        expected = SupConLoss(normalize=False)(y, mixed, **queue)
        model.reset_metrics()
        logs = model.train_on_batch(x, y, return_dict=True)
        np.testing.assert_allclose(
            logs["contrastive_loss"], expected, rtol=1e-5
        )
        if queue_size:  # what is put into the queue is unmixed
            np.testing.assert_allclose(
                model.queue.items()[1][:16],
                np.reshape(plain, (16, 4)),
                atol=1e-6,
            )
    expected = SupConLoss(normalize=False)(y, model(x))
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["contrastive_loss"], expected, rtol=1e-5)


@pytest.mark.slow
def test_a_loaded_model_mixes_from_its_seed_on(tmp_path):
    model = model_with(FeatureTransformation(1.5, seed=2))
    x, y = images(8, 2, 4, 4, 3), np.arange(8) % 3
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.reset_metrics()
    logs = again.train_on_batch(x, y, return_dict=True)
    mixed = FeatureTransformation(1.5, seed=2)(model(x), training=True)
    expected = SupConLoss(normalize=False)(y, mixed)
    np.testing.assert_allclose(logs["contrastive_loss"], expected, rtol=1e-5)


def test_keras_does_not_choose_xla_for_draws_that_it_cannot_compile():
    layer = FeatureTransformation()
    assert not model_with(layer).jit_compile
    step = tf.function(lambda z: layer(z, training=True), jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="RandomGamma"):
        step(unit(3, 2, 4))  # once it compiles, supports_jit can go


@pytest.mark.slow
def test_hard_negatives_compile_under_xla():
    # XLA draws by another algorithm: what does not depend on the draws is same.
    queue = queue_of(np.repeat(unit(1, 4, seed=1), 9, axis=0))
    layer, z = HardNegativeMixing(4, 3, num_mixed_with_query=0), unit(3, 2, 4)
    compiled = tf.function(lambda z: layer(z, queue=queue), jit_compile=True)
    expected = np.repeat(z.reshape(6, 4) @ queue[1][:1].T, 3, axis=1)
    np.testing.assert_allclose(compiled(z), expected)


def model_with_hard_negatives(**options):
    keras.utils.set_random_seed(0)
    mixing = HardNegativeMixing(6, 5, num_mixed_with_query=2, seed=3)
    model = SupConModel(
        small_encoder(),
        ProjectionHead((8, 4)),
        queue_size=24,
        feature_mixing=mixing,
        **options,
    )
    # Under XLA the draws would be others than eagerly.
    model.compile(keras.optimizers.SGD(0.1), SupConLoss(0.2), jit_compile=False)
    return model


@pytest.mark.slow
def test_a_model_trains_against_mixtures_of_the_hardest_in_its_queue(tmp_path):
    model = model_with_hard_negatives()
    x, y = images(8, 2, 4, 4, 3), np.arange(8) % 3
    history = model.fit(x, y, verbose=0).history  # the queue is empty
    assert set(history) == {"loss", "contrastive_loss", "collapsed_loss"}
    np.testing.assert_allclose(history["collapsed_loss"], np.log(15), rtol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    same = HardNegativeMixing(6, 5, num_mixed_with_query=2, seed=3)
    z, queue = model(x), model.queue.items()
    # The loaded model draws from its seed on, and this one goes on.
    for each in (again, model):
        extra = same(z, queue=queue, labels=y)
        expected = SupConLoss(0.2)(y, z, queue=queue, extra_similarities=extra)
        each.reset_metrics()
        logs = each.train_on_batch(x, y, return_dict=True)
        np.testing.assert_allclose(
            logs["contrastive_loss"], expected, rtol=1e-5
        )
        # 15 others, 16 of the queue and 7 mixtures.
        np.testing.assert_allclose(
            logs["collapsed_loss"], np.log(38), rtol=1e-6
        )
    assert expected > SupConLoss(0.2)(y, z, queue=queue)
    logs = model.evaluate(x, y, verbose=0, return_dict=True)  # without a queue
    np.testing.assert_allclose(logs["collapsed_loss"], np.log(15), rtol=1e-6)


@pytest.mark.slow
def test_hard_negatives_go_with_microbatches_and_a_trained_temperature():
    model = model_with_hard_negatives(
        num_microbatches=3, learn_temperature=True
    )
    x, y = images(16, 2, 4, 4, 3), np.arange(16) % 3
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert len(set(history["temperature"])) == 3


def test_hard_negatives_need_a_queue():
    with pytest.raises(ValueError) as error:
        SupConModel(small_encoder(), feature_mixing=HardNegativeMixing())
    assert str(error.value) == (
        "`queue_size` must be > 0 with HardNegativeMixing, which mixes what a "
        "queue holds. Received: queue_size=0"
    )
