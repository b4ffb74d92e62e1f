"""Correct servers in the styles of the field: whatever is said of them is wrong."""
