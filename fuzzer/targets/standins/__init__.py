"""Stand-ins: what an application talks to over the network, answered inside the world.

Each is a line of the fuzz file and takes the place of a machine, by name and port; the application's own client library
talks to it as it would to the real one.  Requests and answers are external events of their connections: late, in any
order across connections, and cut off where a connection is.
"""

from .base import StandIn
from .http import HttpService
from .lines import LineServer
from .redis import Redis

__all__ = ("HttpService", "LineServer", "Redis", "StandIn")
