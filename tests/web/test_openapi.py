"""The document of the HTTP interface: valid, whole, and true to the contract and to the table of roles."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

import app
from app.web import answers
from app.web.access import ACCESS
from tests import contract
from tests.web import described
from tests.web.conftest import TOKENS, Make, Site, add_proposal

OPERATIONS = [
    (method, path, operation)
    for path, operations in described.document()["paths"].items()
    for method, operation in operations.items()
]
MODELS = {
    answers.Proposal: contract.PROPOSAL,
    answers.Check: contract.CHECK,
    answers.Project: contract.PROJECT,
    answers.Event: contract.EVENT,
}


def test_it_is_valid_by_openapis_own_schema() -> None:
    jsonschema.Draft202012Validator(OPENAPI_31).validate(described.document())
    broken = {**described.document(), "paths": {"/": {"get": {"responses": []}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(OPENAPI_31).validate(broken)


def test_it_describes_every_route_for_programs_and_no_other() -> None:
    told = {(method.upper(), path): operation["security"] for method, path, operation in OPERATIONS}
    assert told == {
        (method, path): [{"token": [needed.role.name.lower()]}]
        for (method, path), needed in ACCESS.items()
        if path.startswith("/api/") and needed.role is not None
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_field_of_the_contract_is_described_in_its_order(model: type[answers.Answer]) -> None:
    schema = described.document()["components"]["schemas"][model.__name__]
    assert tuple(schema["properties"]) == tuple(schema["required"]) == MODELS[model]


async def test_answers_have_their_fields_in_the_order_of_the_contract(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["viewer"]) as client:
        proposal = (await client.get(f"/api/v1/proposals/{number}")).json()
        (event,) = (await client.get("/api/v1/history")).json()["items"]
        projects = (await client.get("/api/v1/projects")).json()["items"]
    assert tuple(proposal) == contract.PROPOSAL
    assert tuple(proposal["checks"][0]) == contract.CHECK
    assert tuple(event) == contract.EVENT
    assert {tuple(project) for project in projects} == {contract.PROJECT}


async def test_it_is_served_with_the_address_that_people_use(make_site: Make, site: Site) -> None:
    other = make_site(site.settings.model_copy(update={"public_url": "https://bot.example.org"}))
    async with other.client(token=TOKENS["viewer"]) as client:
        answer = await client.get("/api/v1/openapi.json")
        again = await client.get("/api/v1/openapi.json")
    told = answer.json()
    assert answer.content == again.content
    assert answer.headers["content-type"] == "application/json"
    assert told["openapi"].startswith("3.1")
    assert told["servers"] == [{"url": "https://bot.example.org"}]
    assert told["info"]["version"] == app.__version__
    assert told["paths"] == json.loads(json.dumps(described.document()["paths"]))


@pytest.mark.parametrize(
    "operation", [each[2] for each in OPERATIONS], ids=lambda operation: operation["operationId"]
)
def test_every_operation_says_what_it_does_and_who_may(operation: dict[str, Any]) -> None:
    assert not operation["summary"].endswith(".")
    assert operation["security"][0]["token"][0] in operation["description"]
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
        assert "$ref" in parameter["schema"] or parameter["schema"]["type"] in {"integer", "string"}
        limits = {"maxLength", "maximum", "enum", "format", "$ref"}
        assert limits & set(parameter["schema"]), f"{parameter['name']} has no limit"
    for status, answer in operation["responses"].items():
        if "$ref" not in answer:
            assert answer["description"] not in {"", "Successful Response"}, status


def test_examples_are_what_their_schemas_allow() -> None:
    parts = described.document()["components"]
    for name, schema in parts["schemas"].items():
        for example in schema.get("examples", ()):
            described.validate(example, {"$ref": f"#/components/schemas/{name}"})
        for field, one in schema.get("properties", {}).items():
            for example in one.get("examples", ()):
                described.validate({field: example}, {"$ref": f"#/components/schemas/{name}"})
    for answer in parts["responses"].values():
        (content,) = answer["content"].values()
        described.validate(content["example"], content["schema"])
    for _, _, operation in OPERATIONS:
        for parameter in operation.get("parameters", ()):
            for example in parameter["schema"].get("examples", ()):
                described.validate(example, parameter["schema"])
    line = described.document()["paths"]["/api/v1/history"]["get"]["responses"]["200"]["content"]
    described.validate(
        json.loads(line["application/jsonl"]["example"]), {"$ref": "#/components/schemas/Event"}
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "lost"},
        {"number": "12"},
        {"id": 0},
        {"hosts": None},
        {"url": 7},
        {"body": "one of our own fields"},
        {"checks": [answers.CHECK | {"before_output": "long"}]},
        {"created_at": "2026-03-01T03:12:45+01:00"},
        {"created_at": "yesterday"},
    ],
    ids=str,
)
def test_the_hold_on_answers_is_strict(wrong: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/Proposal"}
    described.validate(answers.PROPOSAL, schema)
    with pytest.raises(jsonschema.ValidationError):
        described.validate(answers.PROPOSAL | wrong, schema)
    for name in contract.PROPOSAL:
        with pytest.raises(jsonschema.ValidationError):
            described.validate({key: value for key, value in answers.PROPOSAL.items() if key != name}, schema)
