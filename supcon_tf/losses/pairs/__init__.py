"""The machine below the losses of pairs: similarities and sums over them."""
