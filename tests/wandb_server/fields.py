"""What answers to GraphQL fields share: their registry, ids, and how a request is turned down."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

USER = "me"
TIME = "2026-01-01T00:00:00"

Answer = Callable[[Any, dict[str, Any]], Any]
FIELDS: dict[str, Answer] = {}  # by the root field of a GraphQL document; called with the server and its variables


def answers(*names: str) -> Callable[[Answer], Answer]:
    """Enter a function as what answers to these root fields."""

    def enter(function: Answer) -> Answer:
        FIELDS.update(dict.fromkeys(names, function))
        return function

    return enter


class Refused(Exception):
    """A request that the server turns down, with the HTTP status to say so."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def to_id(text: str) -> str:
    """Return an id that a client cannot mistake for a name."""
    return base64.b64encode(text.encode()).decode()


def project_of(entity: str, name: str) -> dict[str, Any]:
    """Describe a project."""
    return {
        **{"__typename": "Project", "id": to_id(f"project:{name}"), "internalId": to_id(f"internal:{name}")},
        **{"name": name, "entityName": entity, "entity": {"id": to_id(entity), "name": entity}},
        **{"createdAt": TIME, "isBenchmark": False, "user": None},
    }
