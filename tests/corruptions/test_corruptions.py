import colorsys
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from supcon_tf.corruptions import CORRUPTIONS, LEFT_OUT, corrupted

# Severities 1 to 5 of make_cifar_c.py, as written there.
PUBLISHED = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot_noise": (500, 250, 100, 75, 50),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "speckle_noise": (0.06, 0.1, 0.12, 0.16, 0.2),
    "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1),
    "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    "zoom_blur": tuple(
        (1, end, 0.01) for end in (1.06, 1.11, 1.16, 1.21, 1.26)
    ),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "saturate": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg_compression": (80, 65, 58, 50, 40),
}
SEVERITIES = range(1, 6)
NOISES = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
KINDS = sorted(CORRUPTIONS)
OTHERS = sorted(set(KINDS) - set(NOISES))


def pictures(count=3, height=32, width=32, seed=0):
    """Smooth colours with edges, some white and black, and a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, height, width, 3))
    x = ndimage.gaussian_filter(x, (0, 2, 2, 0))
    x = 128 + 900 * x + rng.normal(scale=4, size=x.shape)
    x[:, 5:15, 8:20] = rng.uniform(0, 256, size=(count, 1, 1, 3))
    return np.clip(x, 0, 255).astype(np.uint8)


def flat(value, count=8):
    return np.full((count, 32, 32, 3), value, np.uint8)


def by_pixel(image, change):
    """An image of `change(r, g, b) -> (r, g, b)`, in [0, 1], of each pixel."""
    rows = [[change(*(int(v) / 255 for v in p)) for p in row] for row in image]
    return np.clip(np.array(rows), 0, 1) * 255


def gaussian_blurred(image, std):
    reach = int(4 * std + 0.5)
    weights = [math.exp(-(d**2) / 2 / std**2) for d in range(-reach, reach + 1)]
    kernel = np.outer(weights, weights) / sum(weights) ** 2
    return correlated(image, kernel, "edge")


def defocused(image, constants):
    radius, std = constants
    disk = np.zeros((17, 17))
    for i in range(17):
        for j in range(17):
            disk[i, j] = math.hypot(i - 8, j - 8) <= radius
    side = math.exp(-1 / 2 / std**2)
    weights = np.array([side, 1, side]) / (1 + 2 * side)
    kernel = np.zeros((17, 17))
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            share = weights[i + 1] * weights[j + 1]
            kernel += share * np.roll(disk / disk.sum(), (i, j), (0, 1))
    return correlated(image, kernel, "reflect")


def correlated(image, kernel, padding):
    reach = len(kernel) // 2
    padded = np.pad(image / 255, [(reach,) * 2, (reach,) * 2, (0, 0)], padding)
    total = np.zeros(image.shape)
    for i, row in enumerate(kernel):
        for j, weight in enumerate(row):
            shifted = padded[i : i + image.shape[0], j : j + image.shape[1]]
            total += weight * shifted
    return total * 255


def zoom_blurred(image, constants):
    height, width = image.shape[:2]
    x = (image / 255).astype(np.float32)
    total = x.copy()
    factors = np.arange(*constants)
    for factor in factors:
        crop = [math.ceil(side / factor) for side in (height, width)]
        top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
        centre = x[top : top + crop[0], left : left + crop[1]]
        zoomed = ndimage.zoom(centre, (factor, factor, 1), order=1)
        top = (zoomed.shape[0] - height) // 2
        left = (zoomed.shape[1] - width) // 2
        total += zoomed[top : top + height, left : left + width]
    return total / (1 + len(factors)) * 255


def brightened(image, addition):
    def change(*rgb):
        hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
        return colorsys.hsv_to_rgb(hue, saturation, min(1, value + addition))

    return by_pixel(image, change)


def saturated(image, constants):
    factor, addition = constants

    def change(*rgb):
        hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
        saturation = min(1, saturation * factor + addition)
        return colorsys.hsv_to_rgb(hue, saturation, value)

    return by_pixel(image, change)


def contrasted(image, factor):
    result = np.zeros(image.shape)
    for channel in range(3):
        x = image[..., channel].astype(float)
        result[..., channel] = x * factor + x.mean() * (1 - factor)
    return result


def pixelated(image, factor):
    for axis in (1, 0):  # of columns first, as Pillow
        image = boxes(image, axis, int(image.shape[axis] * factor))
    for axis, size in ((1, 32), (0, 32)):
        image = boxes(image, axis, size)
    return image


def boxes(image, axis, size):
    """Means of the pixels whose middle lies in a box: no parts of pixels."""
    scale = image.shape[axis] / size
    half = max(scale, 1) / 2
    middles = np.arange(image.shape[axis]) + 0.5
    means = []
    for i in range(size):
        distances = middles - (i + 0.5) * scale
        inside = (distances >= -half) & (distances < half)
        chosen = np.compress(inside, image, axis).astype(float)
        means.append(np.floor(chosen.mean(axis) + 0.5))
    return np.stack(means, axis).astype(np.uint8)


def jpeg(image, quality):
    """(TensorFlow's own encoder and decoder, with Pillow's settings.)"""
    contents = tf.io.encode_jpeg(image, quality=quality)
    return tf.io.decode_jpeg(contents, dct_method="INTEGER_ACCURATE").numpy()


def assert_cut_off(result, expected):
    """Equal without the fractions, but for rounding next to whole numbers."""
    hair = 0 if expected.dtype == np.uint8 else 1e-3
    low, high = np.floor(expected - hair), np.floor(expected + hair)
    assert ((result == low) | (result == high)).all()


REFERENCES = {
    "gaussian_blur": gaussian_blurred,
    "defocus_blur": defocused,
    "zoom_blur": zoom_blurred,
    "brightness": brightened,
    "contrast": contrasted,
    "saturate": saturated,
    "pixelate": pixelated,
    "jpeg_compression": jpeg,
}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", OTHERS)
def test_a_kind_is_that_of_a_loop_over_images(name, severity):
    images = pictures()
    result = corrupted(images, name, severity)
    constants = PUBLISHED[name][severity - 1]
    expected = [REFERENCES[name](image, constants) for image in images]
    assert_cut_off(result, np.stack(expected))


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", NOISES)
def test_a_noise_is_that_of_a_loop_over_values(name, severity):
    images = pictures(1)
    result = CORRUPTIONS[name](images, severity, np.random.default_rng(7))
    rng = np.random.default_rng(7)
    constant = PUBLISHED[name][severity - 1]
    hits = rng.random(images.size) if name == "impulse_noise" else None
    for i, value in enumerate(images.ravel() / 255):
        if name == "gaussian_noise":
            noisy = value + rng.normal(0, constant)
        elif name == "shot_noise":
            noisy = rng.poisson(value * constant) / constant
        elif name == "speckle_noise":
            noisy = value * (1 + rng.normal(0, constant))
        else:
            white = float(rng.random() < 0.5)
            noisy = white if hits[i] < constant else value
        expected = 255 * min(1, max(0, noisy))
        assert_cut_off(result.ravel()[i], np.array(expected))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_noises_have_the_published_spread(severity):
    # Of 24576 values: the standard deviation's own is 0.5 % of it. Cutting
    # off fractions adds 1/12 to the variance and takes 1/2 from the mean.
    value = 100
    expected = {
        "gaussian_noise": 255 * PUBLISHED["gaussian_noise"][severity - 1],
        "speckle_noise": value * PUBLISHED["speckle_noise"][severity - 1],
        # Of c * value / 255 photons of 255 / c each.
        "shot_noise": (255 * value / PUBLISHED["shot_noise"][severity - 1])
        ** 0.5,
    }
    for name, std in expected.items():
        result = corrupted(flat(value), name, severity).astype(float)
        np.testing.assert_allclose(
            result.std(), (std**2 + 1 / 12) ** 0.5, rtol=0.03
        )
        assert abs(result.mean() - (value - 0.5)) < 5 * std / result.size**0.5


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulses_hit_the_published_share_of_values_one_by_one(severity):
    share = PUBLISHED["impulse_noise"][severity - 1]
    result = corrupted(flat(100, 32), "impulse_noise", severity)
    assert set(np.unique(result)) == {0, 100, 255}
    for value in (0, 255):
        np.testing.assert_allclose(
            np.mean(result == value), share / 2, rtol=0.1
        )
    # Independent channels: a pixel has all three hit with share ** 3.
    assert np.mean((result != 100).all(axis=-1)) < share**2


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"saturate"}))
def test_higher_severities_change_more(name):
    images = pictures(8)
    changes = [
        np.abs(corrupted(images, name, severity) - images.astype(float)).mean()
        for severity in SEVERITIES
    ]
    assert changes[0] > 0
    assert (np.diff(changes) > 0).all()


def test_saturate_takes_colour_away_and_then_adds_some():
    images = pictures(8)
    spreads = [
        np.ptp(corrupted(images, "saturate", severity), axis=-1).mean()
        for severity in SEVERITIES
    ]
    assert spreads[1] < spreads[0] < np.ptp(images, axis=-1).mean()
    assert np.ptp(images, axis=-1).mean() < spreads[2] < spreads[3] < spreads[4]


def test_grey_stays_grey_until_saturate_adds_red():
    grey = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    for severity in (1, 2, 3):
        np.testing.assert_array_equal(
            corrupted(grey, "saturate", severity), grey
        )
    for severity, share in ((4, 0.9), (5, 0.8)):
        red, green, blue = np.moveaxis(
            corrupted(grey, "saturate", severity), -1, 0
        )
        np.testing.assert_array_equal(red, grey[..., 0])
        np.testing.assert_array_equal(green, blue)
        np.testing.assert_allclose(green, share * red, atol=1)


@pytest.mark.parametrize("name", sorted({*OTHERS} - {"jpeg_compression"}))
def test_white_and_black_stay_so_where_nothing_is_added(name):
    for severity in SEVERITIES:
        if name != "saturate" or severity <= 3:
            white = corrupted(flat(255, 1), name, severity)
            np.testing.assert_array_equal(white, flat(255, 1))
        if name != "brightness":
            black = corrupted(flat(0, 1), name, severity)
            np.testing.assert_array_equal(black, flat(0, 1))


@pytest.mark.parametrize("name", KINDS)
def test_parts_with_their_offset_are_the_whole(name):
    images = pictures(70)  # more than are worked on at once
    before = images.copy()
    whole = corrupted(images, name, 3, seed=4)
    parts = [
        corrupted(images[first:last], name, 3, seed=4, offset=first)
        for first, last in ((0, 1), (1, 66), (66, 66), (66, 70))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(images, before)
    assert whole.dtype == np.uint8


@pytest.mark.parametrize("name", NOISES)
def test_the_noise_depends_on_seed_and_image(name):
    images = flat(100, 2)
    first = corrupted(images, name, 5)
    np.testing.assert_array_equal(corrupted(images, name, 5, seed=0), first)
    assert (
        (corrupted(images, name, 5, seed=1) != first).any(axis=(1, 2, 3)).all()
    )
    assert (first[0] != first[1]).any()


def test_severities_and_kinds_draw_other_numbers():
    images = flat(100, 1)

    def signs(name, severity):
        return corrupted(images, name, severity) > 99

    other_kind = signs("gaussian_noise", 5) == signs("speckle_noise", 5)
    other_severity = signs("gaussian_noise", 5) == signs("gaussian_noise", 1)
    assert 0.4 < other_kind.mean() < 0.6
    assert 0.4 < other_severity.mean() < 0.6


@pytest.mark.parametrize("shape", [(2, 2), (3, 7), (24, 40), (33, 32)])
@pytest.mark.parametrize("name", KINDS)
def test_images_may_have_any_size(name, shape):
    images = np.random.default_rng(0).integers(
        0, 256, (2, *shape, 3), dtype=np.uint8
    )
    for severity in (1, 5):
        assert corrupted(images, name, severity).shape == images.shape


def test_a_zoom_of_an_oblong_image_is_that_of_the_loop():
    (image,) = pictures(1, height=24, width=40)
    result = corrupted(image[None], "zoom_blur", 5)[0]
    expected = zoom_blurred(image, PUBLISHED["zoom_blur"][4])
    assert_cut_off(result, expected)


def test_the_kinds_are_those_of_cifar_10_c():
    assert len(CORRUPTIONS) + len(LEFT_OUT) == 19
    assert not CORRUPTIONS.keys() & LEFT_OUT.keys()


def test_no_images_are_corrupted_to_none():
    assert corrupted(flat(0, 0), "shot_noise", 1).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": flat(0) / 255}, "`images` must be uint8.*float64"),
        ({"images": flat(0)[0]}, r"`images` must be.*\(32, 32, 3\)"),
        ({"images": flat(0)[..., :1]}, r"`images` must be.*\(8, 32, 32, 1\)"),
        ({"images": flat(0)[:, :1]}, "`images` must be.*at least 2"),
        ({"name": "rain"}, "`name` must be one of.*'contrast'.*'rain'$"),
        ({"name": "frost"}, "name='frost', which is left out: it pastes"),
        ({"name": ["contrast"]}, "`name` must be one of"),
        ({"severity": 0}, "`severity` must be an int from 1 to 5.*=0$"),
        ({"severity": 6}, "`severity` must be an int from 1 to 5"),
        ({"severity": 1.0}, "`severity` must be an int from 1 to 5"),
        ({"severity": True}, "`severity` must be an int from 1 to 5"),
        ({"seed": -1}, "`seed` must be an int >= 0. Received: seed=-1"),
        ({"seed": None}, "`seed` must be an int >= 0"),
        ({"offset": -1}, "`offset` must be an int >= 0"),
        ({"offset": 1.5}, "`offset` must be an int >= 0"),
    ],
)
def test_a_bad_argument_is_named_in_one_line(change, message):
    arguments = {"images": flat(0), "name": "contrast", "severity": 1}
    with pytest.raises(ValueError, match=message) as error:
        corrupted(**{**arguments, **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_by_itself_checks_its_severity(name):
    with pytest.raises(ValueError, match="`severity` must be an int from 1"):
        CORRUPTIONS[name](flat(0), 0, np.random.default_rng(0))
