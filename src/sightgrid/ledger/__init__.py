"""Where recognition, trajectory and store meet: decide, mint, extend, regroup."""
