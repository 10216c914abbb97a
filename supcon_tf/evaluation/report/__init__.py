"""Shows the results of an evaluation: a table, figures and their files."""
