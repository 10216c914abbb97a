"""Cross-entropy on ImageNet with ViT-B/16, settings as for SupCon.

Authors: 76 top-1 (their announcement). Measured: not yet.

    supcon-pretrain --recipe=cross_entropy_imagenet_vit_b16 --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_imagenet_vit_b16

TOP_1 = "76 (authors)"
CONFIG = dataclasses.replace(
    supcon_imagenet_vit_b16.CONFIG,
    objective="cross_entropy",
    normalize_representation=False,
    num_views=1,
    label_smoothing=0.05,
    # Defaults again: there is no head and no contrast.
    projection_units=(2048, 128),
)
