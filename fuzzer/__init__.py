"""The engine and the command line: executes programs under schedules, explores, minimises, replays."""
