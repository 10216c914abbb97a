import json

import numpy as np

from supcon_tf.encoders.resnet import resnet18


def test_the_normalisation_is_in_the_encoder_and_holds_no_variable():
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    encoder = resnet18((8, 8, 3), mean=mean, std=std, width=0.25)
    layer = encoder.get_layer("normalization")
    assert not layer.variables
    image = np.full((1, 8, 8, 3), 0.7, "float32")
    np.testing.assert_allclose(
        layer(image)[0, 0, 0], (0.7 - np.array(mean)) / std, rtol=1e-5
    )
    json.dumps(encoder.get_config())
