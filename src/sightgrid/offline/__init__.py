"""Recorded files to results: sources, vision and ledger joined for `track` and `demo`."""
