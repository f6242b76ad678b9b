"""Artifacts: tables, models and other files under a name."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from wandb_server.fields import answers, to_id
from wandb_server.records import Artifact

if TYPE_CHECKING:
    from wandb_server.serve import Server


@answers("createArtifact")
def _create_artifact(server: Server, variables: dict[str, Any]) -> Any:
    name = to_id(f"artifact:{len(server.artifacts) + 1}")
    collection = (variables.get("artifactCollectionNames") or [variables.get("artifactCollectionName")])[0]
    aliases = [alias["alias"] for alias in variables.get("aliases") or []]
    server.artifacts[name] = Artifact(
        name, variables["artifactTypeName"], collection, variables.get("runName"), aliases=aliases
    )
    return {"artifact": {"id": name, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}}


def artifact_named(server: Server, name: str) -> dict[str, Any] | None:
    """Find an artifact by ``name:alias``, as a client does to learn the type that a name has."""
    name, _, alias = name.partition(":")
    for artifact in reversed(server.artifacts.values()):
        if artifact.name == name and alias in ("", *artifact.aliases):
            return {"id": artifact.id, "artifactType": {"name": artifact.type}}
    return None


@answers("createArtifactManifest", "updateArtifactManifest")
def _create_manifest(server: Server, variables: dict[str, Any]) -> Any:
    artifact = variables.get("artifactID") or base64.b64decode(variables["artifactManifestID"]).decode()
    url = f"{server.url}/storage/artifact/{artifact}/manifest/{variables.get('name', 'manifest')}"
    file = {"id": to_id(url), "uploadUrl": url, "uploadHeaders": []}
    return {"artifactManifest": {"id": to_id(artifact), "file": file}}


@answers("createArtifactFiles")
def _create_artifact_files(server: Server, variables: dict[str, Any]) -> Any:
    edges = []
    for file in variables["artifactFiles"]:
        path = f"artifact/{file['artifactID']}/files/{file['name']}"
        node = {
            **{"storagePath": path, "uploadUrl": f"{server.url}/storage/{path}", "uploadHeaders": []},
            **{"uploadMultipartUrls": None, "artifact": {"id": file["artifactID"]}},
        }
        edges.append({"node": node})
    return {"files": {"edges": edges}}


@answers("commitArtifact")
def _commit_artifact(server: Server, variables: dict[str, Any]) -> Any:
    artifact = server.artifacts[variables["artifactID"]]
    artifact.state = "COMMITTED"
    before = f"artifact/{artifact.id}/"
    for path, content in server.uploads.items():
        if path.startswith(f"{before}files/"):
            artifact.files[path.removeprefix(f"{before}files/")] = content
        elif path.startswith(f"{before}manifest/"):
            artifact.manifest = json.loads(content)
    return {"artifact": {"id": artifact.id, "digest": artifact.manifest.get("digest", "")}}


@answers("useArtifact")
def _use_artifact(server: Server, variables: dict[str, Any]) -> Any:
    return {"artifact": {"id": variables.get("artifactID")}}


@answers("clientIDMapping")
def _client_id(server: Server, variables: dict[str, Any]) -> Any:
    return None
