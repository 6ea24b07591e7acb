"""The central server: takes sightings in, answers over HTTP, knows who may ask."""
