"""Servers that tests stress, each a process of its own."""
