"""A sighting on its way from a box to the server: as bytes, versioned, sealed, and its receipt.

``records`` writes and reads a line, ``content`` what a line says of a face, ``sealing`` closes that
content to the server's key, ``receipts`` is the answer. docs/wire.md is the same for people.
"""
