"""Pixels to tracklets; knows no people, no database, no network."""
