"""The command line: run, replay, explain, managers."""
