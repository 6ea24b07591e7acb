"""REST under ``/api/v1``: a router a noun."""
