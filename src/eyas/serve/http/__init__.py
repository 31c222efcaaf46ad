"""The little that the service needs of HTTP: connections, requests, answers, routes, the one shape of errors.

A general framework costs more time on each request than a small network does (benchmarks/serve).
"""

from eyas.serve.http.answer import JSON, Answer, json_answer
from eyas.serve.http.application import Application
from eyas.serve.http.endpoint import PREDICT_ERRORS, Endpoint, Handler
from eyas.serve.http.problems import Problem
from eyas.serve.http.request import Request

__all__ = [
    "JSON",
    "PREDICT_ERRORS",
    "Answer",
    "Application",
    "Endpoint",
    "Handler",
    "Problem",
    "Request",
    "json_answer",
]
