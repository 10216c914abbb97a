"""Recipes: settings by name. RECIPES has them all; each file says why."""

from supcon_tf.recipes import (
    cifar10_cnn,
    cifar10_cpu,
    cross_entropy_cifar10_cnn,
    cross_entropy_cifar10_cpu,
    cross_entropy_cifar10_resnet50,
    cross_entropy_cifar10_vit_b16,
    cross_entropy_cifar100_resnet50,
    cross_entropy_digits,
    cross_entropy_imagenet_resnet50,
    cross_entropy_imagenet_resnet101,
    cross_entropy_imagenet_resnet200,
    cross_entropy_imagenet_vit_b16,
    digits,
    folder,
    photos,
    simclr_cifar10_cpu,
    simclr_cifar10_resnet50,
    simclr_cifar100_resnet50,
    simclr_digits,
    simclr_imagenet_resnet50,
    supcon_cifar10_resnet50,
    supcon_cifar10_resnet50_one_gpu,
    supcon_cifar10_vit_b16,
    supcon_cifar100_resnet50,
    supcon_imagenet_resnet50,
    supcon_imagenet_resnet50_queue,
    supcon_imagenet_resnet101,
    supcon_imagenet_resnet200,
    supcon_imagenet_vit_b16,
)

# A recipe is a file with a CONFIG, and TOP_1, what to expect of it.
MODULES = {
    "digits": digits,
    "simclr_digits": simclr_digits,
    "cross_entropy_digits": cross_entropy_digits,
    "cifar10_cpu": cifar10_cpu,
    "simclr_cifar10_cpu": simclr_cifar10_cpu,
    "cross_entropy_cifar10_cpu": cross_entropy_cifar10_cpu,
    "cifar10_cnn": cifar10_cnn,
    "cross_entropy_cifar10_cnn": cross_entropy_cifar10_cnn,
    "folder": folder,
    "photos": photos,
    "supcon_cifar10_resnet50": supcon_cifar10_resnet50,
    "supcon_cifar10_resnet50_one_gpu": supcon_cifar10_resnet50_one_gpu,
    "simclr_cifar10_resnet50": simclr_cifar10_resnet50,
    "cross_entropy_cifar10_resnet50": cross_entropy_cifar10_resnet50,
    "supcon_cifar100_resnet50": supcon_cifar100_resnet50,
    "simclr_cifar100_resnet50": simclr_cifar100_resnet50,
    "cross_entropy_cifar100_resnet50": cross_entropy_cifar100_resnet50,
    "supcon_cifar10_vit_b16": supcon_cifar10_vit_b16,
    "cross_entropy_cifar10_vit_b16": cross_entropy_cifar10_vit_b16,
    "supcon_imagenet_resnet50": supcon_imagenet_resnet50,
    "simclr_imagenet_resnet50": simclr_imagenet_resnet50,
    "cross_entropy_imagenet_resnet50": cross_entropy_imagenet_resnet50,
    "supcon_imagenet_resnet50_queue": supcon_imagenet_resnet50_queue,
    "supcon_imagenet_resnet101": supcon_imagenet_resnet101,
    "cross_entropy_imagenet_resnet101": cross_entropy_imagenet_resnet101,
    "supcon_imagenet_resnet200": supcon_imagenet_resnet200,
    "cross_entropy_imagenet_resnet200": cross_entropy_imagenet_resnet200,
    "supcon_imagenet_vit_b16": supcon_imagenet_vit_b16,
    "cross_entropy_imagenet_vit_b16": cross_entropy_imagenet_vit_b16,
}
RECIPES = {name: module.CONFIG for name, module in MODULES.items()}


def recipe_table():
    """The recipes, a line each: what `--list_recipes` prints."""
    header = ("recipe", "data set", "encoder", "epochs", "batch", "top-1 %")
    rows = [header]
    for name, module in MODULES.items():
        config = module.CONFIG
        rows.append(
            (
                name,
                config.dataset,
                config.initial_encoder or config.encoder,
                str(config.epochs),
                str(config.batch_size),
                module.TOP_1,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )
