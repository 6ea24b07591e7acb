"""``python -m sightgrid``: the same program as the ``sightgrid`` command."""

from sightgrid.cli.main import main

if __name__ == "__main__":
    main()
