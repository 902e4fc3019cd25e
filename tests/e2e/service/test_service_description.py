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
    how = ["--phases", "examples,fuzzing", "--max-examples", "6", "--seed", "1", "--suppress-health-check", "all"]
    checks = ["--checks", ",".join(CHECKS), "--generation-database", "none"]
    run = subprocess.run([*command, *how, *checks], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-6000:]
    assert "Tested: 28" in run.stdout
