"""The OpenAPI description is true, and nothing it does not foresee breaks the service."""

import subprocess
import sys
from pathlib import Path

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


def test_no_request_that_can_be_thought_of_breaks_the_service(address, tmp_path):
    """Every route, asked by schemathesis with what its description allows and forbids, answers as described: no 5xx."""
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{address}/openapi.json", "--no-color"]
    how = ["--phases", "examples,fuzzing", "--max-examples", "4", "--seed", "1", "--suppress-health-check", "all"]
    checks = ["--checks", ",".join(CHECKS), "--generation-database", "none"]
    run = subprocess.run([*command, *how, *checks], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-6000:]
    assert "Tested: 28" in run.stdout


def test_the_examples_of_the_description_run(client):
    """Every route without an id in its path takes the example that its description shows, and answers 2xx."""
    description = client.get("/openapi.json").json()
    asked = []
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            content = route.get("requestBody", {}).get("content", {})
            if "{" in path or "application/json" not in content:
                continue
            schema = content["application/json"]["schema"]
            body = example(
                description["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            )
            response = client.request(method, path, json=body)
            assert response.status_code < 300, (path, response.text)
            asked.append(path)
    assert {"/v1/detect", "/v1/identify", "/v1/verify", "/v1/people", "/v1/attendance/sessions"} <= set(asked)


def example(schema: dict) -> dict:
    """The example of a body: its own, or those of its fields."""
    if "examples" in schema:
        return schema["examples"][0]
    return {name: field["examples"][0] for name, field in schema["properties"].items() if "examples" in field}
