"""boto3's SageMaker runtime, pointed at the service.

boto3 needs python-dateutil below 3, which requirements.lock is above, so it cannot live in the environment of the other
tests: `make sagemaker-check` puts it into a folder of its own, and runs this.
"""

import json
from typing import Any

import numpy as np
import pytest

from eyas.bundle import Bundle
from support.server import Server

boto3 = pytest.importorskip("boto3", reason="boto3 does not fit requirements.lock: make sagemaker-check")


@pytest.fixture
def runtime(server: Server) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        region_name="eu-west-1",
        endpoint_url=server.url,
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )


def test_the_runtime_client_predicts(runtime: Any, grey: Bundle) -> None:
    images, expected = grey.golden().images[:3], grey.golden().probabilities[:3]
    flat = (images / 255).reshape(3, -1)
    bodies = {
        "application/json": json.dumps({"instances": flat.tolist()}),
        "text/csv": "\n".join(",".join(map(str, row)) for row in flat),
    }
    for kind, body in bodies.items():
        answer = runtime.invoke_endpoint(EndpointName="digits", ContentType=kind, Accept="application/json", Body=body)
        assert answer["ContentType"] == "application/json"
        rows = json.load(answer["Body"])["predictions"]
        np.testing.assert_allclose([row["probabilities"] for row in rows], expected, atol=1e-6)


def test_the_runtime_client_raises(runtime: Any) -> None:
    for name, body, status in (("letters", "{}", 404), ("digits", "{}", 422), ("digits", "{", 400)):
        with pytest.raises(runtime.exceptions.ClientError) as caught:
            runtime.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
