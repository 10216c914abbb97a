import numpy as np
import pytest

from supcon_tf import ProjectionHead


def representations(*shape):
    return np.random.default_rng(0).random(shape, "float32")


def test_the_head_gives_float32_projections_of_unit_length():
    head = ProjectionHead((16, 3), dtype="mixed_bfloat16")
    projections = head(representations(7, 4))
    assert projections.dtype == "float32"
    np.testing.assert_allclose(
        np.linalg.norm(projections, axis=1), np.ones(7), rtol=1e-5
    )


def test_the_head_is_dense_relu_dense():
    head = ProjectionHead((5, 3))
    x = representations(7, 4) - 0.5
    head(x)
    first, bias, last = head.get_weights()
    expected = np.maximum(x @ first + bias, 0) @ last
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(head(x), expected, rtol=1e-4, atol=1e-6)


def test_the_default_head_is_the_papers():
    head = ProjectionHead()
    head.build((None, 512))
    assert [w.shape for w in head.weights] == [
        (512, 2048),
        (2048,),
        (2048, 128),
    ]


def test_batch_norm_in_the_head_follows_the_hidden_layers():
    head = ProjectionHead((5, 4, 3), batch_norm=True)
    head.build((None, 8))
    assert [w.path.split("/")[-2] for w in head.trainable_weights] == [
        "dense_0",
        "bn_0",
        "bn_0",
        "dense_1",
        "bn_1",
        "bn_1",
        "projection",
    ]


@pytest.mark.parametrize("units", [(), (0,), (8, -1), (2.5,)])
def test_a_head_without_positive_units_is_refused(units):
    with pytest.raises(ValueError, match="`units` must be one or more ints"):
        ProjectionHead(units)
