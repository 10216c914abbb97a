"""The public API as a type checker sees it: `make lint` has mypy read this.

It is not run. A line with `type: ignore` is one that mypy must refuse: if it
does not, it says that the comment is not used.
"""

from typing import assert_type

import numpy as np

import supcon_tf
from supcon_tf import augmentations, encoders, metrics, optimizers, schedules
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.models.linear_classifier import LinearClassifier
from supcon_tf.photographs.prediction import Prediction

images = np.zeros((8, 32, 32, 3), "float32")
labels = np.arange(8) % 2
seeds = np.zeros((8, 2), int)

assert_type(supcon_tf.__version__, str)

# Losses: numbers, settings by name, any array.
supcon_tf.supcon_loss(labels, [[0.0, 1.0]], temperature=0.5, anchors="first")
supcon_tf.supcon_loss(None, images, positives_mask=np.eye(8))
supcon_tf.SupConLoss(0.1, denominator="all", name=None, reduction=None)
supcon_tf.SupConLoss(denominator="none")  # type: ignore[arg-type]
supcon_tf.SupConLoss(positives_cap="4")  # type: ignore[arg-type]
supcon_tf.SupConLoss(temprature=0.1)  # type: ignore[call-arg]
supcon_tf.SINCERELoss(margin=0.25)
supcon_tf.SINCERELoss(margin="0.25")  # type: ignore[arg-type]
supcon_tf.SoftSupConLoss(supcon_tf.similarities.Jaccard(0.3))
supcon_tf.MultiViewLoss("infonce")
supcon_tf.MultiViewLoss("infoNCE")  # type: ignore[arg-type]
assert_type(metrics.top_1_accuracy(labels, images), float)

# Data and views.
train = LabelledImages(images, labels, ("a", "b"))
assert_type(train.take([0, 1]), LabelledImages)
supcon_tf.load_dataset("digits", validation_fraction=0.1)
supcon_tf.load_dataset("digits", seed="0")  # type: ignore[arg-type]
supcon_tf.view_batches(
    (images, labels),
    augmentations.simclr,
    num_views=2,
    batch_size=4,
    image_size=32,
    seed=0,
)
supcon_tf.view_batches(train, "simclr", num_views=2)  # type: ignore[call-arg]
augmentations.simclr(images, seeds, 32, strength=0.5)
augmentations.simclr(images, seeds, "32")  # type: ignore[arg-type]

# Models, and what they hand out.
encoder = encoders.resnet18((32, 32, 3), width=0.25, stem="small_image")
head = supcon_tf.ProjectionHead((512, 128))
model = supcon_tf.SupConModel(encoder, head, queue_size=64)
model.encode(images, training=False)
supcon_tf.SupConModel(encoder, head, queue_size="64")  # type: ignore[arg-type]
supcon_tf.HubEncoder("DIR", trainable=True)
joint = supcon_tf.JointModel(encoder, None, num_classes=2)
assert_type(joint.linear_classifier(("a", "b")), LinearClassifier)
classifier = supcon_tf.linear_probe(encoder, train, l2=(0.1, 1.0))
assert_type(classifier, LinearClassifier)
assert_type(supcon_tf.predict(classifier, ["a.jpg"]), list[Prediction])
assert_type(supcon_tf.predict(classifier, ["a.jpg"])[0].name, str)
supcon_tf.KNNCallback(train, (images, labels), neighbors=5)

# Optimizers and schedules.
optimizers.make_optimizer("lars", schedules.WarmUp(0.5, 10), l2=1e-4)
optimizers.make_optimizer("lars", 0.5, l2="0")  # type: ignore[arg-type]
