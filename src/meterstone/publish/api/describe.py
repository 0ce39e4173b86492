"""The reference of the API as Markdown, made from its own document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from meterstone.people.match import Matcher
from meterstone.people.rights import Right
from meterstone.people.rules import RULES
from meterstone.publish.api.app import PREFIX, create_api
from meterstone.publish.api.ports import Ports

_HEAD = """\
# API

All that pages show and do, as JSON under `{prefix}`. The document for machines is
`{prefix}/openapi.json` (OpenAPI 3.1), kept as [schemas/openapi.json](schemas/openapi.json).
This page is made from it by `python -m meterstone.docs`.

```console
$ curl -H "Authorization: Bearer $METERSTONE_TOKEN" http://localhost:8080{prefix}/gates
```

In Python, with types:

    from meterstone.client import Client

    with Client("http://localhost:8080", token) as meterstone:
        for gate in meterstone.gates():
            print(gate.title, gate.run, "of", gate.needed, "days")

**Sign in** with a token, made on the page *Account* or by `meterstone people token`. A token has
some of the rights of the person who made it, and an end. Owners reach their own franchises alone;
another's is *not found*.

**Errors** are problem details (RFC 9457, `application/problem+json`): `detail` says what is wrong,
`mend` what to do next.

**Lists** come in pages: `?limit=` (at most 200), and the header `Link: <…>; rel="next"` leads on. A
cursor names the last row, so rows that come or go between two pages are neither read twice nor left
out.

**The past**: `?day=` is the day reported, `?known_at=` what was known then.

**Caching**: what follows from scorecards has an `ETag`; with `If-None-Match` the answer is 304
until there is something new. The tag of a signed scorecard is its content hash.

**Limits**: `RateLimit-Policy` and `RateLimit` (IETF draft 10) tell what is left; a refusal (429)
has `Retry-After`.
"""


def api_document() -> Mapping[str, Any]:
    """The OpenAPI document, without a home."""
    return create_api(cast("Ports", None)).openapi()


def markdown() -> str:
    """``docs/api.md``."""
    document = api_document()
    return _HEAD.format(prefix=PREFIX) + "".join(_sections(document))


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    for tag, found in by_tag.items():
        yield f"\n## {tag.capitalize()}\n"
        for method, path, operation in found:
            yield from _operation(method, path, operation)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n### {method} {PREFIX}{path}\n\n{operation['description'].strip()}\n"
    yield f"\nNeeds: {_right(method, path)}.\n"
    query = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    if query:
        yield "\n| in the query | kind | what |\n|---|---|---|\n"
        for each in query:
            said = each.get("description", "")
            yield f"| `{each['name']}` | {_kind(each['schema'])} | {said} |\n"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield f"\nTakes {_kind(body['schema'])}.\n"
    for status, answer in operation["responses"].items():
        if status < "300":
            content = answer.get("content", {}).get("application/json")
            yield f"\nAnswers {status}{': ' + _kind(content['schema']) if content else ''}.\n"


def _right(method: str, path: str) -> str:
    match = Matcher(RULES).match(PREFIX + path.replace("{", "").replace("}", ""))
    if match is None:
        return "nobody may"
    right = match.rule.read if method == "GET" else match.rule.write
    own = " or an own franchise" if right is Right.OWNERS and "{franchise}" in path else ""
    return f"the right `{right}`{own}"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")
