"""How a vector is stored: bytes in SQLite, pgvector's ``vector`` in PostgreSQL; outside always float32 little-endian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Dialect, LargeBinary, func
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

__all__ = ["STORED_VECTOR", "PgVector", "as_text"]

_HEADER = 4
"""Bytes before the numbers in what ``vector_send`` gives: the count and a spare word (pgvector, vector.c)."""


class PgVector(UserDefinedType[bytes]):
    """pgvector's ``vector`` of any length.

    Read through ``vector_send``, which gives the numbers as they are (float32, big-endian) instead of as text: 12 times
    faster than parsing them (benchmarks/postgres.py). Written as text with enough digits for every float32.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """As CREATE TABLE says it."""
        return "vector"

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """What is selected in the place of the column."""
        return func.vector_send(column, type_=self)

    def bind_processor(self, dialect: Dialect) -> Callable[[bytes | None], str | None]:
        """To the database."""
        del dialect
        return lambda value: None if value is None else as_text(np.frombuffer(value, "<f4"))

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bytes | None]:
        """From the database."""
        del dialect, coltype
        return lambda value: None if value is None else _little_endian(bytes(value))


def as_text(vector: np.ndarray[Any, Any]) -> str:
    """A vector as pgvector reads it, exactly."""
    return str(vector.tolist())


def _little_endian(sent: bytes) -> bytes:
    return np.frombuffer(sent, ">f4", offset=_HEADER).astype("<f4").tobytes()


STORED_VECTOR = LargeBinary().with_variant(PgVector(), "postgresql")
"""The type of every column that holds a vector."""

ischema_names["vector"] = PgVector  # so that a table that is looked at has a type we know
