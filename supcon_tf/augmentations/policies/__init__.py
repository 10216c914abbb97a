"""AutoAugment and RandAugment: tables of operations, as Pillow does them."""
