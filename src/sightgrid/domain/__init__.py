"""The words of the product: frozen dataclasses over the standard library and numpy."""
