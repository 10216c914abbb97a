import inspect

from supcon_tf.encoders import ENCODERS
from supcon_tf.encoders.resnet import resnet
from supcon_tf.encoders.variants import variant_of


def test_a_variant_shows_the_options_that_have_defaults():
    def base(shape, *, depth, width=1.0, name=None):
        return shape, depth, width, name

    @variant_of(base)
    def small(shape, **options):
        return base(shape, depth=2, **{"name": "small", **options})

    assert list(inspect.signature(small).parameters) == [
        *("shape", "width", "name"),
    ]
    assert small(8, width=0.5) == (8, 2, 0.5, "small")


def test_the_encoders_show_the_options_of_their_family():
    for name, builder in ENCODERS.items():
        shown = inspect.signature(builder).parameters
        assert "input_shape" in shown
        assert {"mean", "std", "name"} <= set(shown)
        if name.startswith("resnet"):
            own = inspect.signature(resnet).parameters
            assert shown["zero_gamma"].default == own["zero_gamma"].default
