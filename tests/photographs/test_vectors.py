"""The vectors of photographs are those of evaluation's images."""

import keras
import numpy as np
import pytest
from PIL import Image

from supcon_tf.augmentations import center_crop
from supcon_tf.evaluation.encode import NotFiniteError
from supcon_tf.photographs.asked_encoder import AskedEncoder
from supcon_tf.photographs.vectors import print_left_out, vectors_of

pytestmark = pytest.mark.slow


def test_a_vector_is_that_of_the_centre_in_its_own_place(
    photographs, color_encoder
):
    files = sorted(photographs.rglob("*.png"))
    asked = AskedEncoder(color_encoder, (8, 8))
    vectors, kept, left_out = vectors_of(asked, files, batch_size=5)
    assert kept.tolist() == list(range(12)) and not left_out
    for file, vector in zip(files, vectors, strict=True):
        image = center_crop(np.asarray(Image.open(file))[None], None, 8)
        np.testing.assert_allclose(
            vector, color_encoder(image)[0], rtol=1e-5, atol=1e-6
        )


def test_a_head_gives_its_own_vectors(photographs, color_encoder):
    files = sorted(photographs.rglob("*.png"))[:3]
    head = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    plain, *_ = vectors_of(AskedEncoder(color_encoder, (8, 8)), files)
    asked = AskedEncoder(color_encoder, (8, 8), head=head)
    vectors, *_ = vectors_of(asked, files)
    np.testing.assert_allclose(vectors, head(plain), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_read_is_left_out_by_name(
    photographs, color_encoder, capsys
):
    files = [*sorted(photographs.rglob("*.png"))[:2], photographs / "no.png"]
    asked = AskedEncoder(color_encoder, (8, 8))
    reverse, kept, left_out = vectors_of(asked, files[::-1], batch_size=2)
    assert kept.tolist() == [1, 2] and list(left_out) == [0]
    vectors, *_ = vectors_of(asked, files[:2])
    np.testing.assert_allclose(reverse, vectors[::-1], rtol=1e-6)
    print_left_out(files[::-1], left_out)
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith(f"Left out: {files[2]}: no such")
    assert "1 of 3 files left out" in out
    vectors, kept, _ = vectors_of(asked, files[2:])
    assert vectors.shape == (0, 5) and len(kept) == 0


def test_an_encoder_that_returns_nan_is_refused(photographs):
    images = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(images)
    broken = keras.Model(images, keras.ops.log(means - 2))
    with pytest.raises(NotFiniteError, match="must return finite"):
        vectors_of(
            AskedEncoder(broken, (8, 8)), list(photographs.rglob("*.png"))
        )
