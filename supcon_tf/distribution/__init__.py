"""What several replicas or workers do together, and how they are found."""
