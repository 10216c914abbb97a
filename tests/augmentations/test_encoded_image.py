import io

import numpy as np
import pytest
import tensorflow as tf
from often import often
from PIL import Image
from seeded_images import named_augmentations

from supcon_tf.augmentations import (
    AUGMENTATIONS,
    EncodedImage,
    center_crop,
    crop_flip,
    encoded_image,
    spatial,
)
from supcon_tf.augmentations.encoded_image import DecodedImage
from supcon_tf.augmentations.planes import to_images, to_planes

SEEDS = np.stack([np.full(6, 5), np.arange(6)], axis=1)
# Of 255. Colour is stored at half the resolution; in the last column of a
# window that ends between two blocks, its interpolation repeats the nearest
# value, where in the whole image it has the neighbour in the next block. The
# image here is smooth, so that the two are close.
EDGE = 2


def pixels(height=203, width=301):
    rows = np.linspace(0, 6, height)[:, None]
    columns = np.linspace(0, 9, width)
    waves = [np.sin(rows + columns), np.cos(2 * rows - columns), rows - columns]
    image = np.stack([waves[0], waves[1], np.sin(waves[2])], axis=-1)
    return np.round(127.5 + 120 * image).astype(np.uint8)


def file_of(image, kind, mode=None, **options):
    """The bytes of an image file."""
    image = Image.fromarray(image)
    if mode:
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(quality=92, **options):
    return file_of(pixels(), "JPEG", quality=quality, **options)


def repeated(contents, count=6):
    """The decoded image as a batch, for the pipelines that it goes through."""
    return tf.repeat(EncodedImage(contents).decode()[None], count, axis=0)


FILES = {
    "colour at half the resolution": jpeg(subsampling=2),
    "colour at full resolution": jpeg(subsampling=0),
    "progressive": jpeg(progressive=True),
    "restarts": jpeg(restart_marker_rows=2),
    "grey": file_of(pixels(), "JPEG", "L"),
    "PNG": file_of(pixels(), "PNG"),
    "grey PNG": file_of(pixels(), "PNG", "L"),
    "RGBA PNG": file_of(pixels(), "PNG", "RGBA"),
    "PNG of a palette": file_of(pixels(), "PNG", "P"),
    "GIF": file_of(pixels(), "GIF"),
    "BMP": file_of(pixels(), "BMP"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("size", often([(64, 64), (20, 33)], (20, 33)))
def test_a_view_of_a_file_is_the_view_of_its_image(kind, size):
    contents = FILES[kind]
    views = crop_flip(EncodedImage(contents), SEEDS, size).numpy()
    expected = crop_flip(repeated(contents), SEEDS, size).numpy()
    assert views.shape == (6, *size, 3) and views.dtype == np.float32
    # 1e-3 of 255: float32 rounding.
    np.testing.assert_allclose(255 * views, 255 * expected, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("is_large", [False, True])
def test_a_view_of_a_window_is_the_view_of_the_image(
    kind, is_large, monkeypatch
):
    if is_large:
        monkeypatch.setattr(encoded_image, "_LARGEST_WHOLE", 203 * 301 - 1)
    seeds = SEEDS if is_large else SEEDS[:1]
    contents = FILES[kind]
    views = crop_flip(EncodedImage(contents), seeds, (20, 33)).numpy()
    expected = crop_flip(repeated(contents), SEEDS, (20, 33)).numpy()
    expected = expected[: len(seeds)]
    half = kind in ("colour at half the resolution", "progressive", "restarts")
    atol = EDGE if half else 1e-3
    np.testing.assert_allclose(255 * views, 255 * expected, atol=atol)
    assert 255 * np.abs(views - expected).mean() < 0.02


def test_only_the_last_column_differs_from_the_whole_image():
    noise = np.random.default_rng(0).integers(0, 256, (120, 150, 3))
    contents = tf.io.encode_jpeg(np.uint8(noise), chroma_downsampling=True)
    file = EncodedImage(contents)
    whole = np.float32(file.decode())
    for top, left, height, width, ends_between_blocks in [
        (0, 0, 120, 150, False),  # the whole image
        (40, 33, 61, 92, False),  # 33 + 92 = 125
        (40, 33, 61, 111, True),  # 33 + 111 = 9 * 16
    ]:
        window = tf.constant([[top, left, height, width]])
        cut = 255 * file.crop_and_resize(
            lambda h, w, window=window: window, size=(height, width)
        )
        expected = whole[top : top + height, left : left + width]
        differences = np.abs(cut[0] - expected)
        assert differences[:, :-1].max() < 1e-3
        assert (differences[:, -1].max() > 1e-3) == ends_between_blocks


@pytest.mark.slow
@pytest.mark.parametrize("name", named_augmentations())
def test_every_pipeline_takes_a_file_in_a_dataset(name):
    pipeline = AUGMENTATIONS[name]
    contents = FILES["colour at half the resolution"]
    dataset = tf.data.Dataset.from_tensors((contents, SEEDS)).map(
        lambda contents, seeds: pipeline(EncodedImage(contents), seeds, 48)
    )
    (views,) = dataset
    assert views.shape == (6, 48, 48, 3)
    expected = pipeline(repeated(contents), SEEDS, 48)
    differences = np.abs(views - expected)
    # The policies' equalize and solarize make small differences large.
    assert np.median(differences) < 1 / 255 and differences.mean() < 0.01


@pytest.mark.slow
def test_files_and_images_draw_the_same_windows(monkeypatch):
    drawn = []
    draw = spatial.random_windows

    def recorded(*arguments, **options):
        drawn.append(draw(*arguments, **options).numpy())
        return tf.constant(drawn[-1])

    monkeypatch.setattr(spatial, "random_windows", recorded)
    for kind in ("colour at half the resolution", "PNG"):
        crop_flip(EncodedImage(FILES[kind]), SEEDS, 40)
        crop_flip(repeated(FILES[kind]), SEEDS, 40)
    for windows in drawn[1:]:
        np.testing.assert_array_equal(windows, drawn[0])


def test_a_file_is_decoded_once_and_of_a_single_view_the_window(monkeypatch):
    decoded = []
    decode = EncodedImage.decode
    monkeypatch.setattr(
        EncodedImage, "decode", lambda x: decoded.append(x) or decode(x)
    )
    jpeg_file = FILES["colour at half the resolution"]
    for contents, seeds, times in (
        (jpeg_file, SEEDS[:1], 0),
        (jpeg_file, SEEDS, 1),
        (FILES["PNG"], SEEDS[:1], 1),
        (FILES["PNG"], SEEDS, 1),
    ):
        crop_flip(EncodedImage(contents), seeds, 40)
        assert len(decoded) == times
        decoded.clear()
    monkeypatch.setattr(encoded_image, "_LARGEST_WHOLE", 203 * 301 - 1)
    crop_flip(EncodedImage(jpeg_file), SEEDS, 40)
    assert not decoded


@pytest.mark.slow
def test_one_graph_takes_all_kinds_of_files():
    names = list(FILES)
    dataset = tf.data.Dataset.from_tensor_slices([FILES[n] for n in names])
    dataset = dataset.map(lambda c: crop_flip(EncodedImage(c), SEEDS, 32))
    assert dataset.element_spec.shape == (6, 32, 32, 3)
    for name, views in zip(names, dataset, strict=True):
        expected = crop_flip(EncodedImage(FILES[name]), SEEDS, 32)
        np.testing.assert_allclose(views, expected, atol=1e-5)


def test_a_cmyk_file_becomes_rgb():
    contents = file_of(pixels(), "JPEG", "CMYK", quality=95)
    rgb = np.asarray(Image.open(io.BytesIO(contents)).convert("RGB"))
    views = center_crop(EncodedImage(contents), None, 100).numpy()
    expected = center_crop(rgb[None], None, 100).numpy()
    # Pillow and TensorFlow convert CMYK with different rounding.
    assert 255 * np.abs(views - expected).max() < 4


def test_a_grey_file_becomes_rgb():
    grey = np.asarray(Image.fromarray(pixels()).convert("L"))
    views = center_crop(EncodedImage(FILES["grey PNG"]), None, 100)
    expected = center_crop(grey[None, ..., None], None, 100)
    np.testing.assert_allclose(
        views, np.repeat(expected, 3, axis=-1), atol=1e-5
    )


def test_decode_gives_the_whole_image():
    np.testing.assert_array_equal(EncodedImage(FILES["PNG"]).decode(), pixels())
    image = EncodedImage(FILES["colour at full resolution"]).decode()
    assert image.dtype == tf.uint8 and image.shape == pixels().shape
    assert np.abs(np.int32(image) - pixels()).max() < 12  # what JPEG loses


def test_a_file_of_the_size_is_only_decoded_by_center_crop():
    views = center_crop(EncodedImage(FILES["PNG"]), None, (203, 301))
    expected = to_images(to_planes(pixels()[None]))
    np.testing.assert_allclose(views, expected, atol=1e-6)


def test_center_crop_makes_as_many_views_as_there_are_seeds():
    file = EncodedImage(jpeg())
    views = center_crop(file, SEEDS, 32)
    assert views.shape == (6, 32, 32, 3)
    np.testing.assert_array_equal(views, np.repeat(views[:1], 6, axis=0))
    np.testing.assert_array_equal(center_crop(file, None, 32), views[:1])


def test_a_file_of_one_pixel_has_views():
    for kind in ("PNG", "JPEG"):
        contents = file_of(np.full((1, 1, 3), 90, np.uint8), kind)
        views = crop_flip(EncodedImage(contents), SEEDS, 8).numpy()
        np.testing.assert_allclose(views, 90 / 255, atol=3 / 255)


@pytest.mark.parametrize("contents", [np.zeros(3, np.uint8), ["a", "b"], 1.0])
def test_contents_that_are_no_string_are_refused_in_one_line(contents):
    with pytest.raises(ValueError, match=r"`contents` .*scalar") as error:
        EncodedImage(contents)
    assert "\n" not in str(error.value)


def test_wrong_seeds_for_a_file_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"`seeds` .*\(None, 2\).*\(6, 1\)"):
        crop_flip(EncodedImage(FILES["PNG"]), SEEDS[:, :1], 32)


@pytest.mark.parametrize("augmentation", [center_crop, crop_flip])
def test_a_decoded_image_has_the_views_of_a_batch(augmentation):
    repeated = np.repeat(pixels()[None], 6, axis=0)
    np.testing.assert_allclose(
        augmentation(DecodedImage(pixels()), SEEDS, 32),
        augmentation(repeated, SEEDS, 32),
        atol=2e-5,
    )
    whole = DecodedImage(pixels())
    np.testing.assert_array_equal(whole.decode(), pixels())
    np.testing.assert_allclose(
        center_crop(whole, None, pixels().shape[:2]),
        to_images(to_planes(pixels()[None])),
        atol=1e-6,
    )


@pytest.mark.parametrize("image", [np.zeros((3, 3, 3)), np.zeros(3, np.uint8)])
def test_what_is_no_decoded_image_is_refused(image):
    with pytest.raises(ValueError, match="`image` must be uint8 of shape"):
        DecodedImage(image)
