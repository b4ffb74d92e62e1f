"""Small WebSocket applications, each with a bug that an unlucky order of arrivals shows, and its repaired twin.

None of them knows of Crosswire: how clients speak to them is in `wires`.
"""
