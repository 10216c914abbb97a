"""Repeats the same training with a setting varied. This is called a study.

`grids` says what is varied, and `configs` makes the config of each run. `runs`
trains and evaluates, `results` keeps the table, and `figures` draws it. The
command is `supcon_tf.sweep`.
"""

from supcon_tf.studies.grids import STUDIES, Run, plan, recipe_of

__all__ = ["STUDIES", "Run", "plan", "recipe_of"]
