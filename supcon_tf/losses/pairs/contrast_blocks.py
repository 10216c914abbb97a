"""The rows of `Contrasts`, cut into the blocks of which tiles are made."""

from keras import ops

from supcon_tf.losses.pairs.tiles import Tile, Tiles, may_meet


class ContrastBlocks:
    """The rows of `Contrasts` and their features, cut into blocks.

    With `is_grouped` they are sorted by the group of `kinds` first, own rows
    and rest each by themselves.

    Attributes:
      tiles: `Tiles`.
      trained: list of the own vectors `[n, D]` and, if they have, of their
        scales `[n, 1]`.
    """

    def __init__(self, contrasts, kinds, tile_size, is_grouped):
        self._contrasts = contrasts
        self._kinds = kinds
        # They are constants here. JAX lets a custom gradient, which calls
        # `cut`, close over no others.
        self._rest = rest = contrasts.rest
        size = ops.shape(contrasts.own)[0]
        self.tiles = Tiles(
            size, None if rest is None else ops.shape(rest[0])[0], tile_size
        )
        self._orders = None
        if is_grouped:
            groups = _by_last_row(kinds.features[kinds.group][:, 0])
            self._groups = groups[:, None]
            own_order = ops.argsort(groups[:size])
            self._back = ops.argsort(own_order)
            rest_order = None if rest is None else ops.argsort(groups[size:])
            self._orders = own_order, rest_order
        self.trained = [contrasts.own]
        if contrasts.scales is not None:
            self.trained.append(contrasts.scales)

    def cut(self, trained, anchors=None):
        """The blocks of the own rows, and of the rest or None, as dicts.

        The column `is_real` is 0 for padding and unfilled rows. `anchors` are
        columns `[n, W]` of numbers that belong to the anchors.
        """
        contrasts, (vectors, *scales) = self._contrasts, trained
        size = ops.shape(vectors)[0]
        own = {"vectors": vectors, "is_real": ops.ones_like(vectors[:, :1])}
        of_anchors = {}
        if scales:
            of_anchors["scales"] = scales[0]
        if anchors is not None:
            of_anchors["anchors"] = anchors
        features = self._kinds.features.items()
        own |= {name: x[:size] for name, x in features} | of_anchors
        if self._orders is not None:
            own["groups"] = self._groups[:size]
        own = self._own_blocks(own)
        if self._rest is None:
            return own, None
        rest_vectors, is_real = self._rest
        is_real = is_real[:, None]
        rest = {"vectors": rest_vectors * is_real, "is_real": is_real}
        rest |= {name: x[size:] for name, x in features}
        rest |= {name: contrasts.of_rest(x) for name, x in of_anchors.items()}
        if self._orders is not None:
            rest["groups"] = self._groups[size:]
        return own, self._rest_blocks(rest)

    def accumulate(self, of_tile, combine, totals, own, rest):
        """Returns the sums of all tiles over the own rows, `[n, W]`.

        Args:
          of_tile: function of a `Tile` that returns its contribution to its
            rows, and a function for that to its columns.
          combine: as for `Tiles.accumulate`, like the others.
          totals: blocks to start with, of one number.
          own: dict of blocks from `cut`.
          rest: dict of blocks from `cut`, or None.
        """

        def tile(rows, columns, place):
            def contributions(kinds):
                is_diagonal = place == "diagonal"
                return of_tile(Tile(rows, columns, is_diagonal, kinds))

            if self._orders is None or place == "diagonal":
                return contributions(self._kinds)

            def both(kinds):
                for_rows, for_columns = contributions(kinds)
                return (for_rows, for_columns()) if place == "own" else for_rows

            found = ops.cond(
                may_meet(rows["groups"], columns["groups"]),
                lambda: both(self._kinds),
                lambda: both(self._kinds.of_groups_apart()),
            )
            if place == "own":
                return found[0], lambda: found[1]
            return found, None

        blocks = self.tiles.accumulate(tile, combine, totals, own, rest)
        rows = self.tiles.own.join(blocks)
        if self._orders is None:
            return rows
        return ops.take(rows, self._back, axis=0)

    def _own_blocks(self, arrays):
        order = None if self._orders is None else self._orders[0]
        return self._in_order(arrays, self.tiles.own, order)

    def _rest_blocks(self, arrays):
        order = None if self._orders is None else self._orders[1]
        return self._in_order(arrays, self.tiles.rest, order)

    def _in_order(self, arrays, blocks, order):
        """Dict of blocks of `[N, W]` arrays, in an order, or as they are.

        Padding of their groups counts to the last one.
        """
        if order is None:
            return {name: blocks.cut(x) for name, x in arrays.items()}
        arrays = {
            name: ops.take(x, order, axis=0) for name, x in arrays.items()
        }
        cut = {name: blocks.cut(x) for name, x in arrays.items()}
        if "groups" in arrays:
            cut["groups"] = blocks.cut_with_last(arrays["groups"])
        return cut

    def gradients(self, backward, anchors, own, rest):
        """Sums what the tiles give to the own vectors, and to their scales.

        Args:
          backward: function of a `Tile`, as for `accumulate`.
          anchors: `[n, W]`, the numbers of the anchors that it needs.
          own: dict of blocks from `cut`.
          rest: dict of blocks from `cut`, or None.

        Returns:
          `[n, D]`, or a tuple of that and `[n, 1]` if there are scales.
        """
        own = own | self._own_blocks({"anchors": anchors})
        if rest is not None:
            of_rest = self._contrasts.of_rest(anchors)
            rest = rest | self._rest_blocks({"anchors": of_rest})
        dim = own["vectors"].shape[-1]
        width = dim + (1 if "scales" in own else 0)
        zeros = self.tiles.own.filled(0.0, width, own["vectors"].dtype)
        sums = self.accumulate(backward, ops.add, zeros, own, rest)
        if width == dim:
            return sums
        return sums[:, :dim], sums[:, dim:]


def _by_last_row(groups):
    """Other numbers of the groups `[N]`: each is that of its last row.

    So the order of the groups does not depend on the names of the classes.
    """
    number = ops.shape(groups)[0]
    rows = ops.arange(number, dtype="int32")
    return ops.take(ops.segment_max(rows, groups, number), groups)
