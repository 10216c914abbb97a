"""What a run on a GPU takes, on paper: memory and minutes, not measured.

    python -m benchmarks.large_run --recipe=supcon_cifar10_resnet50_one_gpu

Operations are the multiplications and additions of convolutions and dense
layers, forward once and backward twice. Memory is what the backward pass reads
again, each output of a convolution, a BatchNormalization and a sum, once in the
recipe's precision, and weights, gradients and momentum in float32. A step is
taken to write these outputs once, read them twice forward and twice backward,
and write as many gradients. The least time of a step is then operations over
the speed, plus bytes over the bandwidth, both as the maker of the GPU states
them. A real step reaches neither.
"""

import argparse
import math
import sys

# Dense bfloat16 operations a second, bytes a second, GB, by the data sheets.
GPUS = {
    "A100, 40 GB": (312e12, 1.555e12, 40),
    "A100, 80 GB": (312e12, 2.039e12, 80),
    "H100 SXM, 80 GB": (989e12, 3.35e12, 80),
    "H200, 141 GB": (989e12, 4.8e12, 141),
}
PASSES = 6  # of all outputs through the memory, in a step


def main(argv=None):
    """The command; returns its exit status."""
    from supcon_tf.recipes import RECIPES

    parser = argparse.ArgumentParser(
        prog="benchmarks.large_run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipe", required=True, choices=RECIPES)
    parser.add_argument("--images", type=int, default=50_000)
    options = parser.parse_args(argv)
    print(table(on_paper(RECIPES[options.recipe], options.images)))
    return 0


def on_paper(config, num_images):
    """What a run takes.

    Args:
      config: `PretrainConfig` of a ResNet on images of one size.
      num_images: int, of the training set.

    Returns:
      A dict: operations of a view, bytes that it keeps, bytes of the weights,
      and for the whole run GB, and least minutes by name of the GPU.
    """
    from supcon_tf.frameworks.keras_internals import all_layers
    from supcon_tf.training.build import build_model

    model = build_model(config, num_classes=10)
    layers = [*all_layers(model.encoder), *all_layers(model.projection_head)]
    products = sum(map(_products, layers))
    size = 4 if config.precision == "float32" else 2
    kept = size * sum(map(_kept, layers))
    views = config.batch_size * config.num_views
    steps = config.epochs * (num_images // config.batch_size)
    operations = 3 * 2 * products
    weights = 3 * 4 * sum(math.prod(w.shape) for w in model.trainable_weights)
    seconds = {
        name: steps * views * (operations / speed + PASSES * kept / bandwidth)
        for name, (speed, bandwidth, _) in GPUS.items()
    }
    return {
        "operations_of_a_view": operations,
        "bytes_of_a_view": kept,
        "bytes_of_the_weights": weights,
        "gb": (views * kept + weights) / 1e9,
        "least_minutes": {k: value / 60 for k, value in seconds.items()},
        "steps": steps,
    }


def table(paper):
    """What the command prints.

    Args:
      paper: what `on_paper` returns.
    """
    lines = [
        f"{paper['operations_of_a_view'] / 1e9:.2f} GFLOP and "
        f"{paper['bytes_of_a_view'] / 1e6:.1f} MB a view, "
        f"{paper['bytes_of_the_weights'] / 1e6:.0f} MB of weights; "
        f"{paper['gb']:.1f} GB in all, {paper['steps']:,} steps"
    ]
    for name, minutes in paper["least_minutes"].items():
        fits = "" if paper["gb"] < GPUS[name][2] else ", too small"
        lines.append(f"{name:18}{minutes:8.0f} minutes at least{fits}")
    return "\n".join(lines)


def _products(layer):
    """Products of two numbers that a layer takes for one view."""
    kind = type(layer).__name__
    if kind == "Conv2D":
        _, height, width, _ = layer.output.shape
        return height * width * math.prod(layer.kernel.shape)
    return math.prod(layer.kernel.shape) if kind == "Dense" else 0


def _kept(layer):
    """Numbers that the backward pass needs again, of one view."""
    if type(layer).__name__ in ("Conv2D", "BatchNormalization", "Add"):
        return math.prod(layer.output.shape[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
