"""What each command does, from its config to the files that it writes."""
