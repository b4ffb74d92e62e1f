"""Handlers answer by what they return; users are numbers, and a token names one of them."""

import asyncio
import hmac

import socketio

KEY = b"a secret of the server's"


def sign(user: int) -> str:
    return f"{user}.{hmac.new(KEY, str(user).encode(), 'sha256').hexdigest()[:12]}"


class Lobby(socketio.AsyncNamespace):
    def __init__(self, namespace):
        super().__init__(namespace)
        self.users: dict[str, int] = {}

    async def on_login(self, sid, token, device):
        user, _, _ = str(token).partition(".")
        await asyncio.sleep(0.02)  # a look-up
        if not user.isdecimal() or not hmac.compare_digest(sign(int(user)), str(token)):
            return {"ok": False, "error": "no such token"}
        if not self.server.manager.is_connected(sid, self.namespace):
            return {"ok": False, "error": "gone meanwhile"}
        self.users[sid] = int(user)
        await self.enter_room(sid, f"user {user}")
        return {"ok": True, "id": int(user), "device": device}

    async def on_join(self, sid, table):
        if sid not in self.users:
            return {"ok": False, "error": "log in first"}
        await self.enter_room(sid, f"table {table}")
        return {"ok": True}

    async def on_leave(self, sid, table):
        await self.leave_room(sid, f"table {table}")
        return {"ok": True}

    async def on_say(self, sid, table, text):
        if sid not in self.users or f"table {table}" not in self.rooms(sid):
            return {"ok": False, "error": "you are not there", "text": text}
        await self.emit("said", (self.users[sid], text), room=f"table {table}")
        return {"ok": True}

    async def on_whisper(self, sid, to, text):
        if sid not in self.users:
            return {"ok": False, "error": "log in first"}
        await self.emit("whispered", {"by": self.users[sid], "text": text}, room=f"user {to}")
        return {"ok": True}

    async def on_whoami(self, sid):
        return {"ok": sid in self.users, "id": self.users.get(sid)}

    async def on_disconnect(self, sid, reason):
        self.users.pop(sid, None)


server = socketio.AsyncServer(async_mode="asgi")
server.register_namespace(Lobby("/lobby"))
app = socketio.ASGIApp(server)
