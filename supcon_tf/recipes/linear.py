"""Recipes of linear evaluation: LINEAR_RECIPES has them all by name.

`fast` encodes the images once and fits the classifier to that: seconds, and
no learning rate. The others are the official code's second stages, on
images that are augmented as in pretraining; of several learning rates (for 256
images a batch) the best on held-out training images is taken.

Officially a batch had as many images as in pretraining. The paper's CIFAR
numbers are those of the PyTorch code: batches of 512 and the learning rate 5,
which is 2.5 for 256 images, as in the TensorFlow code.
"""

from supcon_tf.config import LinearEvalConfig

LINEAR_RECIPES = {
    "fast": LinearEvalConfig(),
    # SupCon and cross-entropy on CIFAR
    "cifar": LinearEvalConfig(
        method="augmented",
        epochs=100,
        batch_size=512,
        optimizer="sgd",
        momentum=0.9,
        base_learning_rates=(0.25, 0.8, 2.5, 8.0),
        schedule="steps",
        decay_rate=0.2,
        decay_epochs=(60.0, 75.0, 90.0),
        weight_decay=0.0,
    ),
    "simclr_cifar": LinearEvalConfig(
        method="augmented",
        epochs=90,
        batch_size=1024,
        optimizer="sgd",
        momentum=0.9,
        base_learning_rates=(0.025, 0.08, 0.25, 0.8),
        schedule="cosine",
        weight_decay=0.0,
        kernel_initializer="zeros",
    ),
    # SupCon and cross-entropy on ImageNet
    "imagenet": LinearEvalConfig(
        method="augmented",
        eval_augmentation="resize_then_crop",
        epochs=90,
        batch_size=4096,
        optimizer="rmsprop",
        momentum=0.9,
        epsilon=1e-3,
        base_learning_rates=(0.015, 0.05, 0.15),
        warmup_epochs=12.0,
        schedule="exponential",
        decay_rate=0.97,
        epochs_per_decay=0.5,
        weight_decay=1e-6,
        label_smoothing=0.05,
    ),
    "simclr_imagenet": LinearEvalConfig(
        method="augmented",
        eval_augmentation="resize_then_crop",
        epochs=90,
        batch_size=4096,
        optimizer="nesterov",
        momentum=0.9,
        base_learning_rates=(0.03, 0.1, 0.3),
        warmup_epochs=12.0,
        schedule="cosine",
        weight_decay=1e-6,
        label_smoothing=0.05,
        kernel_initializer="zeros",
    ),
}
