"""Training on several replicas and workers, with TensorFlow's strategies."""
