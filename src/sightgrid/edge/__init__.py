"""One box of live cameras: a child process a camera, one inference process, no names."""
