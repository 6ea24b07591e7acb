"""The database: rows in, domain types out. The only room that imports SQLAlchemy.

``Store.open`` gives a database, ``store.transaction()`` or ``store.snapshot()`` a transaction; the
functions that take it lie in a file a noun: ``cameras``, ``people``, ``identities``, ``sightings``,
``decisions``, ``visits``, ``gallery``.
"""

from sightgrid.store.session import Store, Transaction

__all__ = ["Store", "Transaction"]
