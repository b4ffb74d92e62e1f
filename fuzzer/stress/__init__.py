"""Live servers under load, judged from outside: clients on real sockets, no control over the schedule."""
