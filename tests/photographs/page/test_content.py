"""What a page knows of its images."""

import base64
import json

import numpy as np

from supcon_tf.photographs.page.content import nearest_images, page_facts
from supcon_tf.photographs.page.models import PageModel

X = np.random.default_rng(0).normal(size=(30, 4))


def test_neighbours_are_the_most_similar_others_in_order():
    cosines = X @ X.T
    lengths = np.linalg.norm(X, axis=1)
    cosines /= lengths[:, None] * lengths
    np.fill_diagonal(cosines, -2)
    expected = np.argsort(-cosines, axis=1)[:, :12]
    positions, similarities = nearest_images(X)
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_allclose(
        similarities, np.take_along_axis(cosines, expected, 1), atol=1e-5
    )


def test_an_image_is_not_its_own_neighbour_even_among_its_copies():
    positions, similarities = nearest_images(np.ones((5, 2)))
    for image, others in enumerate(positions):
        assert sorted(others) == [n for n in range(5) if n != image]
    np.testing.assert_allclose(similarities, 1, atol=1e-6)


def test_each_thumbnail_and_each_name_stands_once_in_the_page():
    thumbnails = [bytes([n] * 40) for n in range(30)]
    text = page_facts(
        thumbnails,
        [f"</script>{n}.jpg" for n in range(30)],
        np.arange(30) % 2,
        ["<b>", "猫"],
        {"a": PageModel(X, np.zeros(30, int), np.full(30, 0.5))},
        matrices=[np.array([[15, 0], [15, 0]])],
        looks=(["#000", "#fff"], ["circle", "square"]),
    )
    assert "<" not in text
    for thumbnail in thumbnails:
        assert text.count(base64.b64encode(thumbnail).decode()) == 1
    facts = json.loads(text)
    assert facts["names"][3] == "</script>3.jpg"
    assert facts["classes"] == ["<b>", "猫"]
    assert facts["cells"] == [{"0,0": 15, "1,0": 15}]
    assert facts["models"][0]["confidences"] == [0.5] * 30
