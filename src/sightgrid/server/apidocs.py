"""The API for people to read, made from its OpenAPI description.

The usual viewers fetch scripts from other hosts, which a camera network does not reach; this page
needs none.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

_ENVIRONMENT = Environment(
    loader=PackageLoader("sightgrid.server", "templates"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


def api_page(description: dict[str, Any]) -> str:
    """One HTML page for an OpenAPI 3.1 description."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "text": operation.get("description", operation.get("summary", "")),
                    "parameters": [
                        {
                            "name": one["name"],
                            "place": one["in"],
                            "required": one.get("required", False),
                            "kind": _kind(one["schema"]),
                            "text": one.get("description", ""),
                        }
                        for one in operation.get("parameters", [])
                    ],
                    "body": [
                        f"{kind}: {_kind(content['schema'])}"
                        for kind, content in operation.get("requestBody", {})
                        .get("content", {})
                        .items()
                    ],
                    "answers": {
                        status: ", ".join(
                            _kind(content.get("schema", {}))
                            for content in answer.get("content", {}).values()
                        )
                        for status, answer in operation["responses"].items()
                    },
                }
            )
    schemas = {
        name: {
            "text": schema.get("description", ""),
            "fields": [
                (field, _kind(kind), field in schema.get("required", ()))
                for field, kind in schema.get("properties", {}).items()
            ],
            "values": schema.get("enum", []),
        }
        for name, schema in description.get("components", {}).get("schemas", {}).items()
    }
    return _ENVIRONMENT.get_template("api.html").render(
        info=description["info"], groups=groups, schemas=schemas
    )


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))
