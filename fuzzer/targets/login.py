"""Logins as applications have them: a request over HTTP before the handshake, and what its answer gives.

`Http` is a request by templates, with the placeholders of a wire.  As a `JsonWire`'s ``before`` it logs a client in; as
its ``to_user`` or ``to_all`` it is how an event is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ..core.http import HttpAnswer, HttpRequest
from ..core.jsons import read_json

__all__ = ("Http", "HttpLogin", "fill")


@dataclass(frozen=True)
class Http:
    """A request by templates; ``json`` or ``form`` makes its body.

    Cookies that a client's login has set go with it.
    """

    method: str
    path: str
    json: Any = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, said: Mapping[str, Any], cookies: Mapping[str, str]) -> HttpRequest:
        """The request, with what the placeholders stand for filled in."""
        headers = [(name, str(fill(value, said))) for name, value in self.headers.items()]
        body = b""
        if self.json is not None:
            body = json.dumps(fill(self.json, said)).encode()
            headers.append(("content-type", "application/json"))
        elif self.form is not None:
            body = urlencode(fill(self.form, said)).encode()
            headers.append(("content-type", "application/x-www-form-urlencoded"))
        if cookies:
            headers.append(("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
        path = fill(self.path, {name: quote(str(value)) for name, value in said.items()})
        return HttpRequest(self.method, str(path), tuple(headers), body)


@dataclass(frozen=True)
class HttpLogin(Http):
    """A login by a request; what its answer gives goes with the handshake and with every later request.

    ``token`` names the field of the answer's JSON that `{token}` stands for from then on (``"data.access_token"``);
    ``cookie`` a cookie whose value it is.  Cookies are sent along in any case.
    """

    method: str = "POST"
    path: str = "/login"
    token: str | None = None
    cookie: str | None = None

    def found(self, answer: HttpAnswer) -> str | None:
        """The token that the answer gives, where it is to give one; raises `LookupError` where it does not."""
        if self.cookie is not None:
            return answer.cookies[self.cookie]
        if self.token is None:
            return None
        value: Any = read_json(answer.body)
        for name in self.token.split("."):
            value = value[name]
        return str(value)


def fill(template: Any, said: Mapping[str, Any]) -> Any:
    """A template with its placeholders replaced, in every string of it.

    A string that is nothing but a placeholder becomes what it stands for, a number where that is one.
    """
    if isinstance(template, str):
        if "{" not in template:
            return template
        for name, value in said.items():
            placeholder = f"{{{name}}}"
            if template == placeholder:
                return value
            if placeholder in template:
                template = template.replace(placeholder, str(value))
        return template
    if isinstance(template, dict) or isinstance(template, Mapping):  # noqa: SIM101 - most are dicts
        return {key: fill(value, said) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, said) for value in template]
    return template
