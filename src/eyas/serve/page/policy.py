"""What browsers are told of answers: to guess, keep and frame nothing; and of a page, what it may load."""

from __future__ import annotations

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": NOTHING,
}
"""With every answer, unless it has its own word."""


def app_policy() -> str:
    """The Content-Security-Policy of a page of files: scripts, styles and data of its own alone.

    Its pictures may be made in the browser (blob:), and none of its scripts may turn a text into HTML or code.
    """
    own = "script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'"
    return f"{NOTHING}; {own}; require-trusted-types-for 'script'; trusted-types 'none'"
