"""The web application: pages over the same functions that the API's routes are."""
