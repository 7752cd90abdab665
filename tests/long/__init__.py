"""Tests that take minutes or need the host's clock to themselves."""
