"""Runs, their files, and who asks."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from wandb_server.fields import USER, Refused, answers, project_of, to_id
from wandb_server.records import Run

if TYPE_CHECKING:
    from wandb_server.serve import Server


@answers("viewer")
def _viewer(server: Server, variables: dict[str, Any]) -> Any:
    return {
        **{"id": to_id(USER), "entity": USER, "username": USER, "name": USER, "email": f"{USER}@localhost"},
        **{"admin": False, "flags": "{}", "deletedAt": None, "apiKeys": {"edges": []}},
        "teams": {"edges": [{"node": {"name": USER}}]},
    }


@answers("serverInfo")
def _server_info(server: Server, variables: dict[str, Any]) -> Any:
    return {"features": [], "cliVersionInfo": {"max_cli_version": "99.0.0"}, "latestLocalVersionInfo": None}


@answers("entity")
def _entity(server: Server, variables: dict[str, Any]) -> Any:
    return {"organization": None, "xxhashDigestsEnabled": False, "id": to_id(USER), "name": USER}


def bucket(run: Run) -> dict[str, Any]:
    """Describe a run, for which the protocol's old name is bucket."""
    history = run.lines.get("wandb-history.jsonl", {})
    return {
        **{"id": to_id(run.id), "name": run.id, "displayName": run.name, "description": "", "notes": ""},
        **{"config": json.dumps(run.raw_config), "summaryMetrics": json.dumps(run.summary), "tags": run.tags},
        **{"sweepName": run.sweep, "state": run.state, "wandbConfig": json.dumps({"t": 1})},
        "project": project_of(run.entity, run.project),
        "historyLineCount": len(history),
        "eventsLineCount": run.line_count("wandb-events.jsonl"),
        "logLineCount": run.line_count("output.log"),
        "historyTail": json.dumps([history[max(history)]] if history else []),
        "eventsTail": "[]",
    }


@answers("upsertBucket")
def _upsert_bucket(server: Server, variables: dict[str, Any]) -> Any:
    name = variables.get("name") or base64.b64decode(variables["id"]).decode()
    if name in server.refused_runs:
        raise Refused(f"run {name} is refused", server.refusal)
    inserted = name not in server.runs
    entity, project = variables.get("entity") or USER, variables.get("project") or "uncategorized"
    run = server.runs.setdefault(name, Run(name, entity, project))
    server.projects.add((run.entity, run.project))
    run.upserts += 1
    if variables.get("config"):
        run.raw_config = json.loads(variables["config"])
    names = {"displayName": "name", "groupName": "group", "jobType": "job_type", "sweep": "sweep", "tags": "tags"}
    for key, attribute in names.items():
        if variables.get(key):
            setattr(run, attribute, variables[key])
    return {"bucket": bucket(run), "inserted": inserted}


@answers("model")
def _model(server: Server, variables: dict[str, Any]) -> Any:
    name = variables.get("name")
    if name in server.refused_runs:
        raise Refused(f"run {name} is refused", server.refusal)
    run = server.runs.get(str(name))
    project = project_of(variables.get("entity") or USER, variables.get("project") or "uncategorized")
    return project | {"bucket": bucket(run) if run else None}


@answers("models")
def _models(server: Server, variables: dict[str, Any]) -> Any:
    edges = [{"cursor": name, "node": project_of(entity, name)} for entity, name in sorted(server.projects)]
    return {"edges": edges, "pageInfo": {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}}


@answers("upsertModel")
def _upsert_model(server: Server, variables: dict[str, Any]) -> Any:
    name, entity = variables["name"], variables.get("entityName") or USER
    server.projects.add((entity, name))
    return {"project": project_of(entity, name), "model": project_of(entity, name), "inserted": True}


@answers("createRunFiles")
def _create_run_files(server: Server, variables: dict[str, Any]) -> Any:
    run = variables["run"]
    files = [{"name": file, "uploadUrl": f"{server.url}/storage/run/{run}/{file}"} for file in variables["files"]]
    return {"runID": to_id(run), "uploadHeaders": [], "files": files}


@answers("markRunFilesUploaded")
def _mark_uploaded(server: Server, variables: dict[str, Any]) -> Any:
    return {"success": True}
