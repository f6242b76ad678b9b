"""The GraphQL side: a document's root field decides who answers.

No parser: a client's document names one root field, and answers may hold more than was asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wandb_server.artifacts import artifact_named
from wandb_server.fields import FIELDS, USER, Refused, answers, project_of
from wandb_server.reports import view_of
from wandb_server.runs import bucket
from wandb_server.sweeps import sweep_of

if TYPE_CHECKING:
    from wandb_server.serve import Server

_OPERATION = re.compile(r"\b(?:query|mutation)\s+(\w+)")
_ROOT = re.compile(r"\{\s*(?:\w+\s*:\s*)?(\w+)")


def answer(server: Server, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Answer a GraphQL document."""
    named = _OPERATION.search(query)
    operation = named[1] if named else "?"
    server.operations[operation] += 1
    body = query[named.end() :] if named else query
    depth_0 = re.sub(r"\([^)]*\)", "", body, count=1) if body.lstrip().startswith("(") else body
    root = _ROOT.search(depth_0)
    field = root[1] if root else "?"
    resolve = FIELDS.get(field)
    if resolve is None:
        server.unknown.append(f"{operation} {field} {query[:300]}")
        raise Refused(f"this server does not know {field}", 400)
    return {field: resolve(server, variables | (variables.get("input") or {}))}


@answers("project")
def _project(server: Server, variables: dict[str, Any]) -> Any:
    name = variables.get("project") or variables.get("projectName") or variables.get("name") or "uncategorized"
    entity = variables.get("entity") or variables.get("entityName") or USER
    found = project_of(entity, name)
    if "sweep" in variables:
        sweep = server.sweeps.get(variables["sweep"])
        found["sweep"] = sweep_of(server, sweep) if sweep else None
    if "run" in variables:
        run = server.runs.get(variables["run"])
        found["run"] = bucket(run) if run else None
    views = [view for view in server.reports.values() if (view.entity, view.project) == (entity, name)]
    if wanted := variables.get("viewName"):
        views = [view for view in views if view.name == wanted]
    edges = [{"node": view_of(view), "cursor": view.id} for view in views]
    found["allViews"] = {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}
    found["artifactType"] = None
    found["artifact"] = artifact_named(server, str(variables.get("name")))
    return found


@answers("__type")
def _type(server: Server, variables: dict[str, Any]) -> Any:
    return {"fields": [], "inputFields": []}
