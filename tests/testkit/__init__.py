"""Devices for tests on machines that have none, seen by unmodified programs through their real system calls."""
