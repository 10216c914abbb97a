"""What an evaluation shows: a table, figures, the files that they are in."""
