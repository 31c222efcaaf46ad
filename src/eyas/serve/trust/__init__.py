"""Whom the service trusts: tokens, rates, browsers' pages, certificates, signed bundles; and what admins did."""

from eyas.serve.trust.audit import Refusals, audit
from eyas.serve.trust.gate import Gate, open_gate, with_refusals
from eyas.serve.trust.issue import SigningKey, issue, write_new_secret
from eyas.serve.trust.signature import open_trusted, sign

__all__ = [
    "Gate",
    "Refusals",
    "SigningKey",
    "audit",
    "issue",
    "open_gate",
    "open_trusted",
    "sign",
    "with_refusals",
    "write_new_secret",
]
