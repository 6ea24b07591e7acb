"""Numbers we may quote: what was measured, on how many samples, and how sure it is."""
