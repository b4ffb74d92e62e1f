"""Many executions under a budget: rounds, processes, runs."""
