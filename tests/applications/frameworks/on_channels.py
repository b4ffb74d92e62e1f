"""Django Channels: asynchronous and synchronous consumers of the same group."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        SECRET_KEY="for tests only",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["channels"],
        ROOT_URLCONF=__name__,
        CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    )
django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

urlpatterns: list[Any] = []


class Chat(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        await self.channel_layer.group_add("all", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("all", self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.channel_layer.group_send("all", {"type": "say", "text": text_data})

    async def say(self, event: dict[str, str]) -> None:
        await self.send(text_data=event["text"])


class SyncChat(WebsocketConsumer):  # type: ignore[misc]
    def connect(self) -> None:
        async_to_sync(self.channel_layer.group_add)("all", self.channel_name)
        self.accept()

    def disconnect(self, code: int) -> None:
        async_to_sync(self.channel_layer.group_discard)("all", self.channel_name)

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        async_to_sync(self.channel_layer.group_send)("all", {"type": "say", "text": text_data})

    def say(self, event: dict[str, str]) -> None:
        self.send(text_data=event["text"])


app = ProtocolTypeRouter({"websocket": URLRouter([path("live/<str:user>", Chat.as_asgi())])})
sync = ProtocolTypeRouter({"websocket": URLRouter([path("live/<str:user>", SyncChat.as_asgi())])})
