"""Similarities of pairs of projections and sums over them, for the losses."""
