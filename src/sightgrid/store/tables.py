"""How every table of ours is made, on every database: names, texts, keys within a site."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def exact_table(name: str, *parts: sa.Column[Any] | sa.Constraint | sa.Index) -> sa.Table:
    """A table whose texts are compared letter by letter."""
    # MySQL would else take two names that differ in case or accents only for the same
    return sa.Table(
        name,
        METADATA,
        *parts,
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
    )


def site_key() -> sa.Column[int]:
    """The first column of every key."""
    return sa.Column("site_id", sa.Integer, primary_key=True, autoincrement=False)


def number_key(name: str) -> sa.Column[int]:
    """A number in a key, given by us, not by the database."""
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def within_site(table: str, *columns: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    """A reference to the key of ``table``, never across sites."""
    target = METADATA.tables[table].primary_key.columns.keys()
    return sa.ForeignKeyConstraint(
        ["site_id", *columns], [f"{table}.{column}" for column in target], ondelete=ondelete
    )
