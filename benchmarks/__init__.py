"""Benchmarks: everything the documentation claims in figures, measured anew."""
