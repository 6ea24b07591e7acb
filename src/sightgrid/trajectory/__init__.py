"""Pure functions: sightings to visits to routes."""
