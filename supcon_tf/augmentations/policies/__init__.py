"""The operations and tables of AutoAugment and RandAugment, as in Pillow."""
