import numpy as np
import pytest
import tensorflow as tf
from often import often
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from supcon_tf.augmentations.planes import to_images
from supcon_tf.augmentations.policies import pillow_colors, pillow_moves

GRAY = (128, 128, 128)


def images(height=37, width=44):
    """Noise, a gradient, dark noise, few values, one value: `[5, H, W, 3]`."""
    numbers = np.random.default_rng(0)
    noise = numbers.integers(0, 256, (height, width, 3))
    rows = np.linspace(0, 255, height)[:, None]
    columns = np.linspace(255, 0, width)[None]
    both = (rows + columns) / 2
    gradient = np.stack([rows + 0 * both, columns + 0 * both, both], axis=-1)
    few = numbers.choice([3, 90, 200], (height, width, 3))
    one = np.full((height, width, 3), 77)
    stack = [noise, np.round(gradient), noise // 5 + 20, few, one]
    return np.stack(stack).astype(np.uint8)


def applied(operation, stack, *parameters):
    """The operation in a graph, on channels-last images."""
    planes = tf.transpose(stack, [0, 3, 1, 2])
    changed = tf.function(operation)(planes, *parameters)
    assert changed.dtype == tf.uint8
    return to_images(changed).numpy()


def assert_is_pillow(operation, pillow, *parameters, stack=None, grey=True):
    """On all images, and on their red planes as grey images, exactly."""
    stack = images() if stack is None else stack
    repeated = [
        tf.fill([len(stack)], tf.convert_to_tensor(p)) for p in parameters
    ]
    results = applied(operation, stack, *repeated)
    for image, result in zip(stack, results, strict=True):
        expected = pillow(Image.fromarray(image))
        np.testing.assert_array_equal(result, np.asarray(expected))
    if grey:
        results = applied(operation, stack[..., :1], *repeated)
        for image, result in zip(stack, results, strict=True):
            expected = pillow(Image.fromarray(image[..., 0]))
            np.testing.assert_array_equal(result[..., 0], expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation, pillow",
    [
        (pillow_colors.invert, ImageOps.invert),
        (pillow_colors.auto_contrast, ImageOps.autocontrast),
        (pillow_colors.equalize, ImageOps.equalize),
    ],
)
@pytest.mark.parametrize("size", [(37, 44), (8, 8), (100, 120), (1, 3)])
def test_an_operation_without_a_parameter_is_pillows(operation, pillow, size):
    assert_is_pillow(operation, pillow, stack=images(*size))


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_is_pillows(bits):
    assert_is_pillow(
        pillow_colors.posterize, lambda i: ImageOps.posterize(i, bits), bits
    )


@pytest.mark.parametrize("threshold", [0, 1, 77, 128, 255, 256, 300])
def test_solarize_is_pillows(threshold):
    assert_is_pillow(
        pillow_colors.solarize,
        lambda i: ImageOps.solarize(i, threshold),
        threshold,
    )


@pytest.mark.parametrize("addition", [-30, 0, 33, 110, 255])
def test_solarize_add_brightens_what_is_darker_than_128(addition):
    def pillow(image):
        return image.point(
            [
                min(max(x + addition, 0), 255) if x < 128 else x
                for x in range(256)
            ]
            * len(image.getbands())
        )

    assert_is_pillow(pillow_colors.solarize_add, pillow, addition)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.0, 0.1, 0.46, 1.0, 1.18, 1.9, 5.14])
@pytest.mark.parametrize(
    "operation, enhancer",
    [
        (pillow_colors.color, ImageEnhance.Color),
        (pillow_colors.contrast, ImageEnhance.Contrast),
        (pillow_colors.brightness, ImageEnhance.Brightness),
        (pillow_colors.sharpness, ImageEnhance.Sharpness),
    ],
)
def test_an_enhancement_is_pillows(operation, enhancer, factor):
    assert_is_pillow(operation, lambda i: enhancer(i).enhance(factor), factor)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (5, 2), (3, 3)])
def test_the_border_is_not_sharpened(size):
    assert_is_pillow(
        pillow_colors.sharpness,
        lambda i: ImageEnhance.Sharpness(i).enhance(0.0),
        0.0,
        stack=images(*size) if min(size) > 2 else images(*size)[:1],
        grey=False,
    )


def affine(matrix):
    def pillow(image):
        fill = GRAY if image.mode == "RGB" else 128
        return image.transform(
            image.size,
            Image.Transform.AFFINE,
            matrix,
            Image.Resampling.NEAREST,
            fillcolor=fill,
        )

    return pillow


@pytest.mark.slow
@pytest.mark.parametrize(
    "shear", often([-0.9, -0.3, -0.07, 0.0, 0.12, 0.3, 0.5], -0.07, 0.0, 0.3)
)
@pytest.mark.parametrize(
    "size", often([(37, 44), (32, 32), (31, 64)], (37, 44))
)
def test_a_shear_is_pillows(shear, size):
    assert_is_pillow(
        pillow_moves.shear_x,
        affine((1, shear, 0, 0, 1, 0)),
        np.float64(shear),
        stack=images(*size),
    )
    assert_is_pillow(
        pillow_moves.shear_y,
        affine((1, 0, 0, shear, 1, 0)),
        np.float64(shear),
        stack=images(*size),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "offset", often([-50.0, -13.4, -1.0, 0.0, 3.0, 7.7, 36.6], -13.4, 0.0, 3.0)
)
def test_a_translation_is_pillows(offset):
    assert_is_pillow(
        pillow_moves.translate_x, affine((1, 0, offset, 0, 1, 0)), offset
    )
    assert_is_pillow(
        pillow_moves.translate_y, affine((1, 0, 0, 0, 1, offset)), offset
    )


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [-90, -30, -11.7, 0, 3.3, 27, 30, 45, 180])
@pytest.mark.parametrize(
    "size", often([(37, 44), (32, 32), (31, 64)], (37, 44))
)
def test_a_rotation_is_pillows_around_the_centre(degrees, size):
    def pillow(image):
        fill = GRAY if image.mode == "RGB" else 128
        return image.rotate(degrees, fillcolor=fill)

    assert_is_pillow(
        pillow_moves.rotate, pillow, np.float64(degrees), stack=images(*size)
    )


@pytest.mark.parametrize(
    "half, row, column",
    [(0, 5, 5), (1, 0, 0), (6, 20, 30), (9, 3, 43), (80, 10, 10)],
)
def test_a_cutout_covers_a_grey_square(half, row, column):
    def pillow(image):
        if half:
            corners = (column - half, row - half)
            opposite = (column + half - 1, row + half - 1)
            fill = GRAY if image.mode == "RGB" else 128
            draw = ImageDraw.Draw(image)
            draw.rectangle([corners, opposite], fill=fill)
        return image

    assert_is_pillow(pillow_moves.cutout, pillow, half, row, column)


def test_each_image_has_its_own_parameter():
    stack = images()[:4]
    factors = np.float32([0.1, 0.9, 1.3, 2.0])
    results = applied(pillow_colors.contrast, stack, factors)
    for image, result, factor in zip(stack, results, factors, strict=True):
        expected = ImageEnhance.Contrast(Image.fromarray(image)).enhance(factor)
        np.testing.assert_array_equal(result, expected)
    angles = np.float64([-30, 0, 10, 25])
    results = applied(pillow_moves.rotate, stack, angles)
    for image, result, angle in zip(stack, results, angles, strict=True):
        expected = Image.fromarray(image).rotate(angle, fillcolor=GRAY)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.slow
def test_a_batch_of_none_stays_one():
    none = images()[:0]
    floats, integers = np.zeros(0, np.float32), np.zeros(0, np.int32)
    for operation, *parameters in [
        (pillow_colors.invert,),
        (pillow_colors.auto_contrast,),
        (pillow_colors.equalize,),
        (pillow_colors.posterize, integers),
        (pillow_colors.solarize, integers),
        (pillow_colors.solarize_add, integers),
        (pillow_colors.color, floats),
        (pillow_colors.contrast, floats),
        (pillow_colors.brightness, floats),
        (pillow_colors.sharpness, floats),
        (pillow_moves.shear_x, floats),
        (pillow_moves.shear_y, floats),
        (pillow_moves.translate_x, floats),
        (pillow_moves.translate_y, floats),
        (pillow_moves.rotate, floats),
        (pillow_moves.cutout, integers, integers, integers),
    ]:
        assert applied(operation, none, *parameters).shape == none.shape
