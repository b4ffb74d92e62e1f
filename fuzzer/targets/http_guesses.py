"""What the source of an application's HTTP endpoints tells of how events are made by them.

Where clients only listen, what they hear was posted: ``POST /notify``, with the one whom it is for in the path, in the
query, in a form or in JSON.  Guesses are for a file that a user completes, and are tried before they are written.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any
from urllib.parse import urlencode

from .handlers import Seen, Source, called_name, read_source, sources_of
from .login import Http
from .protocol import placeholder_for
from .routes import Route

__all__ = ("requests",)

SPEAKS = re.compile(r"send|emit|broadcast|publish|notif|push|put|tell|say|dispatch|announce|deliver|enqueue")
"""In the name of something that is called: by it something is passed on."""

FORMS = frozenset({"form", "post"})

BODIES = FORMS | {"json", "get_json"}
"""Methods of a request that give what was posted."""

PLAIN = ("str", "int", "UUID", "uuid.UUID", "float", "bool")


@dataclass
class _Posted:
    """What an endpoint takes: the names in the path, in the query, in JSON and in a form."""

    path: list[str] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    json: list[str] = field(default_factory=list)
    form: list[str] = field(default_factory=list)
    bearer: bool = False

    @property
    def names(self) -> list[str]:
        return [*self.path, *self.query, *self.json, *self.form]

    def meaning(self) -> Callable[[str], str]:
        """What stands for each of the names: a user is whom it is for, where nobody else is."""
        meant = {name: placeholder_for(name) for name in self.names}
        whom = next((name for want in ("{to}", "{user}") for name in meant if meant[name] == want), None)
        text = next((name for name in meant if meant[name] == "{event}"), None)

        def said(name: str) -> str:
            if name in (whom, text):
                return "{to}" if name == whom else "{event}"
            known = meant.get(name)
            return known if known in ("{room}", "{token}", "{user}") else "x"

        return said


def requests(route: Route) -> dict[str, Http]:
    """The request by which an event is made at a route, by the field of a wire that it may be; empty where none is."""
    sources = list(sources_of(route.endpoint))
    called = {called_name(node.func) for one in sources for node in ast.walk(one.tree) if isinstance(node, ast.Call)}
    if not any(SPEAKS.search(name.lower()) for name in called):
        return {}
    posted = _taken(route, sources)
    said = posted.meaning()
    values = {said(name) for name in posted.names}
    if "{event}" not in values:
        return {}
    query = urlencode({name: said(name) for name in posted.query}, safe="{}")
    http = Http(
        "POST",
        route.template(said) + (f"?{query}" if query else ""),
        json={name: said(name) for name in posted.json} or None,
        form={name: said(name) for name in posted.form} or None,
        headers={"Authorization": "Bearer {token}"} if posted.bearer else {},
    )
    return {"to_user" if "{to}" in values else "to_room" if "{room}" in values else "to_all": http}


def _taken(route: Route, sources: Sequence[Source]) -> _Posted:
    """What an endpoint takes, as far as its arguments and its sources tell."""
    posted = _Posted(path=_parameters(route))
    function = inspect.unwrap(route.endpoint) if callable(route.endpoint) else route.endpoint
    try:
        arguments = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return posted
    for name, argument in arguments.items():
        if name not in posted.path:
            _argument(name, argument, getattr(function, "__globals__", {}), posted)
    for source, form in product(sources, (False, True)):
        received = set(_bodies(source.tree, form))
        if received:
            read_source(replace(source, received=received), seen := Seen())
            (posted.form if form else posted.json).extend(name for name in seen.keys if name not in posted.names)
            posted.bearer = posted.bearer or seen.bearer
    return posted


def _parameters(route: Route) -> list[str]:
    names: list[str] = []
    route.template(lambda name: names.append(name) or "")  # type: ignore[func-returns-value]
    return names


def _argument(name: str, argument: inspect.Parameter, known: dict[str, Any], posted: _Posted) -> None:
    """What a framework takes an argument out of: a model is JSON, ``Form`` a form, a plain one the query."""
    annotation = argument.annotation
    written = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", None) or str(annotation)
    about = f"{written} {annotation} {argument.default!r}"
    model = known.get(annotation) if isinstance(annotation, str) else annotation
    fields = getattr(model, "model_fields", None)
    if isinstance(fields, dict):
        posted.json.extend(info.alias or key for key, info in fields.items() if info.is_required())
    elif "Form" in about:
        posted.form.append(name)
    elif "Body" in about:
        posted.json.append(name)
    elif written.removesuffix(" | None") in PLAIN and not re.search("Depends|Cookie|Header", about):
        posted.query.append(name)


def _bodies(tree: ast.AST, form: bool) -> Iterator[str]:
    """The variables that hold what was posted, as a form or as JSON."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            value = node.value.value if isinstance(node.value, ast.Await) else node.value
            name = called_name(value.func) if isinstance(value, ast.Call) else ""
            if name in BODIES and (name in FORMS) == form:
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
