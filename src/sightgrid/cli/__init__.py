"""The command line: a file a noun; heavy imports inside the commands."""
