"""Cases in which every two options meet, in place of all combinations."""

import itertools


def pairwise(**options):
    """Few cases in which each pair of values of two options occurs.

    Args:
      **options: name -> list of values.

    Returns:
      A list of tuples of values, in the order of the options. It is the same
      each time: the greedy choice looks at the combinations in their order.
    """
    names = list(options)
    values = [options[name] for name in names]
    sizes = [range(len(column)) for column in values]
    missing = {
        ((a, i), (b, j))
        for a, b in itertools.combinations(range(len(names)), 2)
        for i in sizes[a]
        for j in sizes[b]
    }
    cases = []
    combinations = list(itertools.product(*sizes))
    while missing:
        best, best_new = None, set()
        for case in combinations:
            new = missing.intersection(
                itertools.combinations(enumerate(case), 2)
            )
            if len(new) > len(best_new):
                best, best_new = case, new
        cases.append(best)
        missing -= best_new
    return [
        tuple(column[i] for column, i in zip(values, case, strict=True))
        for case in cases
    ]
