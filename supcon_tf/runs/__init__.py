"""The work of each command, from its config to the files that it writes."""
