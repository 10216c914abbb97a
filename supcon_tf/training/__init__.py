"""From a config to a trained model: what the commands build and write."""
