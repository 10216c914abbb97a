"""Studies: the same training with a setting varied.

`grids` has what is varied, `runs` trains and evaluates, `results` is the table,
`figures` draws it. The command is `supcon_tf.sweep`.
"""

from supcon_tf.studies.grids import STUDIES, Run, plan, recipe_of

__all__ = ["STUDIES", "Run", "plan", "recipe_of"]
