"""Plain data and small questions about it: what users do, what was seen, where code waits.  Imports nothing of ours."""
