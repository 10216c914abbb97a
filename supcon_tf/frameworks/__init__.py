"""What is known of Keras, of its backends, and of packages that are extras."""
