"""What a server does for sweeps: keep them, and choose the values of the next run."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

from wandb_server.fields import TIME, USER, Refused, answers, project_of, to_id
from wandb_server.records import Sweep
from wandb_server.runs import bucket

if TYPE_CHECKING:
    from wandb_server.serve import Server


def sweep_of(server: Server, sweep: Sweep) -> dict[str, Any]:
    """Describe a sweep."""
    runs = [{"node": bucket(run)} for run in server.of_sweep(sweep.id)]
    return {
        **{"id": to_id(sweep.id), "name": sweep.id, "method": sweep.config["method"], "state": sweep.state},
        **{"config": yaml.safe_dump(sweep.config), "description": None, "createdAt": TIME, "heartbeatAt": TIME},
        **{"updatedAt": TIME, "earlyStopJobRunning": False, "bestLoss": None, "controller": None, "scheduler": None},
        "runs": {"edges": runs},
    }


@answers("upsertSweep")
def _upsert_sweep(server: Server, variables: dict[str, Any]) -> Any:
    config = yaml.safe_load(variables["config"])
    entity, project = variables.get("entityName") or USER, variables.get("projectName") or "uncategorized"
    name = server.sweep_ids.pop(0) if server.sweep_ids else f"sweep{len(server.sweeps) + 1:03d}"
    server.sweeps[name] = Sweep(name, entity, project, config, points(config))
    server.projects.add((entity, project))
    return {"sweep": {"name": name, "project": project_of(entity, project)}, "configValidationWarnings": []}


@answers("createAgent")
def _create_agent(server: Server, variables: dict[str, Any]) -> Any:
    sweep = server.sweeps.get(variables["sweep"])
    if sweep is None:
        raise Refused(f"no sweep {variables['sweep']}", 404)
    sweep.agents.append(to_id(f"agent:{sweep.id}:{len(sweep.agents) + 1}"))
    return {"agent": {"id": sweep.agents[-1]}}


@answers("agentHeartbeat")
def _heartbeat(server: Server, variables: dict[str, Any]) -> Any:
    """Hand an idle agent its next run, and tell it to end where none is left."""
    [sweep] = [sweep for sweep in server.sweeps.values() if variables["id"] in sweep.agents]
    commands: list[dict[str, Any]] = []
    if not json.loads(variables.get("runState") or "{}"):
        commands = [_next(server, sweep)]
    return {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}


def _next(server: Server, sweep: Sweep) -> dict[str, Any]:
    if sweep.again:
        run, kind = sweep.again.pop(0), "resume"
    else:
        values = next(sweep.points, None)
        if values is None:
            sweep.state = "FINISHED"
            return {"type": "exit"}
        run, kind = f"{sweep.id}r{len(sweep.runs) + 1}", "run"
        sweep.runs[run] = values
    arguments = {name: {"value": value} for name, value in sweep.runs[run].items()}
    return {"type": kind, "run_id": run, "program": sweep.config.get("program"), "args": arguments}


def points(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the values of a sweep's runs: a grid's points once each; for random and bayes, draws without end.

    A real server chooses the points of ``bayes`` by what came before; to a client there is no difference.
    """
    parameters = config["parameters"]
    cap = config.get("run_cap")
    chosen = _grid(parameters) if config["method"] == "grid" else _draws(parameters)
    return itertools.islice(chosen, cap) if cap else chosen


def _grid(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = sorted(parameters)
    choices = [parameters[name].get("values", [parameters[name].get("value")]) for name in names]
    for values in itertools.product(*choices):
        yield dict(zip(names, values, strict=True))


def _draws(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    generator = random.Random(1)
    while True:
        yield {name: _draw(specification, generator) for name, specification in sorted(parameters.items())}


def _draw(specification: dict[str, Any], generator: random.Random) -> Any:
    if "value" in specification:
        return specification["value"]
    if "values" in specification:
        return generator.choice(specification["values"])
    low, high = specification["min"], specification["max"]
    if specification.get("distribution") == "log_uniform_values":
        return low * (high / low) ** generator.random()
    whole = isinstance(low, int) and isinstance(high, int)
    return generator.randint(low, high) if whole else generator.uniform(low, high)
