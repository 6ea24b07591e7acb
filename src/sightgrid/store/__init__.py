"""The database: rows in, domain types out. The only room that imports SQLAlchemy."""
