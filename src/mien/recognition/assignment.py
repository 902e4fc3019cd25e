"""Who gets what when each may be given once: faces and people, tracks and boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["assign"]


def assign(worth: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Pairs (row, column) of the largest total ``worth``, each row and column at most once.

    Args:
        worth: ``(n, m)``; pairs of worth 0 or less are never made.

    Returns:
        The pairs, by row. The assignment problem of Kuhn (1955) by shortest augmenting paths with potentials
        (Jonker and Volgenant 1987), O(n² m): far more than a picture needs and no dependency.
    """
    rows, columns = worth.shape
    if not rows or not columns:
        return []
    # One dummy column of cost 0 per row stands for "stays alone", so that a pair is made only if it is worth something.
    cost = np.concatenate([-np.maximum(worth, 0).astype(np.float64), np.zeros((rows, rows))], axis=1)
    taker = _shortest_paths(cost)
    pairs = [(int(row), column) for column, row in enumerate(taker[:columns]) if row >= 0 and worth[row, column] > 0]
    return sorted(pairs)


def _shortest_paths(cost: NDArray[np.float64]) -> NDArray[np.intp]:
    """For a cost ``(n, m)`` with n <= m: the row that takes each column, -1 for none, at the least total cost."""
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    taker = np.full(columns, -1, np.intp)
    for start in range(rows):
        # Dijkstra over columns, from the row that has none yet.
        distance = np.full(columns, np.inf)
        previous = np.full(columns, -1, np.intp)
        done = np.zeros(columns, bool)
        row, column, reached = start, -1, 0.0
        while row >= 0:
            through = reached + cost[row] - row_price[row] - column_price
            shorter = ~done & (through < distance)
            distance[shorter], previous[shorter] = through[shorter], column
            column = int(np.argmin(np.where(done, np.inf, distance)))
            reached = distance[column]
            done[column] = True
            row = int(taker[column])
        # Prices keep every reduced cost at zero or more.
        gain = reached - distance[done]
        owners = taker[done]
        row_price[owners[owners >= 0]] += gain[owners >= 0]
        row_price[start] += reached
        column_price[done] -= gain
        # Walk the path back and hand each column on.
        while column >= 0:
            before = int(previous[column])
            taker[column] = start if before < 0 else taker[before]
            column = before
    return taker
