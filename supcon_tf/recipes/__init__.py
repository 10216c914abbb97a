"""Recipes: settings by name. RECIPES has them all."""

from supcon_tf.recipes import cifar10_cpu, digits, folder

RECIPES = {
    "cifar10_cpu": cifar10_cpu.CONFIG,
    "digits": digits.CONFIG,
    "folder": folder.CONFIG,
}
