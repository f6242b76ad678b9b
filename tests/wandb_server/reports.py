"""Reports, which the protocol calls views."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wandb_server.fields import TIME, USER, answers, project_of, to_id
from wandb_server.records import Report

if TYPE_CHECKING:
    from wandb_server.serve import Server


def view_of(report: Report) -> dict[str, Any]:
    """Describe a report."""
    return {
        **{"id": report.id, "type": report.type, "name": report.name, "displayName": report.title},
        **{"description": report.description, "spec": json.dumps(report.spec), "user": _viewer_of()},
        **{"createdAt": TIME, "updatedAt": TIME, "project": project_of(report.entity, report.project)},
    }


def _viewer_of() -> dict[str, Any]:
    return {"username": USER, "photoUrl": None, "email": f"{USER}@localhost"}


@answers("upsertView")
def _upsert_view(server: Server, variables: dict[str, Any]) -> Any:
    found = server.reports.get(variables.get("id") or "")
    new = Report(
        found.id if found else to_id(f"View:{len(server.reports) + 1}"),
        variables.get("entityName") or USER,
        variables.get("projectName") or "uncategorized",
        variables.get("name") or "",
        variables.get("displayName") or "",
        variables.get("description") or "",
        variables.get("type") or "runs",
        json.loads(variables["spec"]),
        found.saves + 1 if found else 1,
    )
    server.reports[new.id] = new
    return {"view": view_of(new), "inserted": found is None}


@answers("view")
def _view(server: Server, variables: dict[str, Any]) -> Any:
    report = server.reports.get(variables["reportId"])
    return view_of(report) if report else None
