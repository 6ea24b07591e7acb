"""Whether a commit outlasts a power cut, read back from the database rather than believed."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

SQLITE_FULL = 2


@dataclass(frozen=True, slots=True)
class Durability:
    """``findings`` name every switch that is set too weakly, in words; none where all is well."""

    findings: tuple[str, ...]

    @property
    def durable(self) -> bool:
        return not self.findings


def durability_of(connection: sa.Connection) -> Durability:
    """Asks the database for the switches that decide it."""
    match connection.dialect.name:
        case "sqlite":
            level = int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
            weak = [] if level >= SQLITE_FULL else [f"synchronous is {level}, not FULL"]
        case "postgresql":
            weak = [
                f"{switch} is off"
                for switch in ("fsync", "synchronous_commit", "full_page_writes")
                if connection.exec_driver_sql(f"SHOW {switch}").scalar_one() == "off"
            ]
        case _:
            weak = _of_mysql(connection)
    return Durability(tuple(weak))


def _of_mysql(connection: sa.Connection) -> list[str]:
    def switch(name: str) -> str:
        return str(connection.exec_driver_sql(f"SELECT @@GLOBAL.{name}").scalar_one())

    weak = []
    if switch("innodb_flush_log_at_trx_commit") != "1":
        weak.append("innodb_flush_log_at_trx_commit is not 1")
    if switch("innodb_doublewrite") in ("0", "OFF"):
        weak.append("innodb_doublewrite is off")
    # without a binary log there is nothing for it to synchronise
    if switch("log_bin") == "1" and switch("sync_binlog") != "1":
        weak.append("sync_binlog is not 1")
    return weak
