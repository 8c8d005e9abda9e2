"""The description of the API → the tables of ``/docs``. Knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a table: a parameter, or a field of an object."""

    name: str
    kind: str
    links: tuple[str, ...]  # names of the objects that ``kind`` names
    required: bool
    says: str
    limits: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A response of a route."""

    status: str
    says: str
    kind: str  # the media type, and the object if it is JSON
    links: tuple[str, ...]
    codes: tuple[str, ...]  # of the errors that come with this status
    headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address."""

    id: str
    method: str
    path: str
    summary: str
    says: str
    parameters: tuple[Field, ...]
    body: str  # name of the object that is sent, or ""
    replies: tuple[Reply, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object that goes over the wire."""

    name: str
    says: str
    fields: tuple[Field, ...]


def page(document: Json) -> dict[str, Any]:
    """Return what the template of ``/docs`` shows of an OpenAPI document."""
    components = document["components"]
    return {
        "info": document["info"],
        "routes": list(_routes(document["paths"])),
        "objects": [_object(name, schema) for name, schema in components["schemas"].items()],
        "problems": [example["value"] for example in components["examples"].values()],
    }


def _routes(paths: Json) -> Iterator[Route]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            samples = operation.get("x-codeSamples", [{"source": ""}])
            yield Route(
                id=operation["operationId"],
                method=method.upper(),
                path=path,
                summary=operation["summary"],
                says=operation.get("description", ""),
                parameters=tuple(
                    _field(p["name"], p["schema"], p["required"], p["description"])
                    for p in operation.get("parameters", ())
                ),
                body="".join(_links(body.get("schema", {}))),
                replies=tuple(_reply(*item) for item in operation["responses"].items()),
                example=samples[0]["source"],
            )


def _reply(status: str, response: Json) -> Reply:
    content: Json = response.get("content", {})
    schemas = [media["schema"] for media in content.values()]
    return Reply(
        status=status,
        says=response["description"],
        kind=", ".join(content),
        links=tuple(name for schema in schemas for name in _links(schema)),
        codes=tuple(code for media in content.values() for code in media.get("examples", ())),
        headers=tuple(response.get("headers", ())),
    )


def _object(name: str, schema: Json) -> Object:
    required = schema.get("required", ())
    fields = tuple(
        _field(field, of, field in required, of.get("description", ""))
        for field, of in schema.get("properties", {}).items()
    )
    return Object(name, schema.get("description", ""), fields)


def _field(name: str, schema: Json, required: bool, says: str) -> Field:
    return Field(name, _kind(schema), tuple(_links(schema)), required, says, _limits(schema))


def _kind(schema: Json) -> str:
    """Return the type of a value as people say it."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if schema.get("type") == "array":
        inside = schema.get("items") or {"type": " and ".join(map(_kind, schema["prefixItems"]))}
        return f"list of {_kind(inside)}"
    if "additionalProperties" in schema and schema["additionalProperties"]:
        return f"object of {_kind(schema['additionalProperties'])}"
    return str(schema.get("type", "anything"))


def _links(schema: Json) -> Iterator[str]:
    """Yield the names of the objects that a schema is made of."""
    if "$ref" in schema:
        yield str(schema["$ref"]).rpartition("/")[2]
    inside = [schema["items"]] if isinstance(schema.get("items"), dict) else []
    for part in (*inside, *schema.get("anyOf", ())):
        yield from _links(part)


def _limits(schema: Json) -> str:
    """Return what a value may be, and what it is where it is not given."""
    limits = [
        _range(schema.get("minimum"), schema.get("maximum"), ""),
        _range(schema.get("minItems"), schema.get("maxItems"), " items"),
        _range(schema.get("minLength"), schema.get("maxLength"), " characters"),
    ]
    if schema.get("default") is not None and "const" not in schema:
        limits.append(f"default {str(schema['default']).lower()}")
    return ", ".join(filter(None, limits))


def _range(least: object, most: object, unit: str) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f"at least {least}{unit}"
    return f"at most {most}{unit}" if least is None else f"{least} to {most}{unit}"
