"""The running server keeps to its description, whatever it is asked."""

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as trials
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from qa.web.problems import MEDIA_TYPE
from qa.web.wire import Problem

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# The committed one, which is the one that is served: tests/test_api.py.
described = schemathesis.openapi.from_path(Path(__file__).parents[1] / "docs" / "openapi.json")


@described.parametrize()
@trials(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_server_keeps_to_its_description(case, start):
    response = case.call(base_url=start.rstrip("/"))
    case.validate_response(response, checks=CHECKS)
    if response.status_code >= 400:
        assert response.headers["content-type"] == [MEDIA_TYPE]
        assert Problem.model_validate_json(response.content).status == response.status_code
