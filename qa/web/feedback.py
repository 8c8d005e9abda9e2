"""What a person says of an answer: a plain form → ``Feedback``. No text is taken."""

from __future__ import annotations

import logging

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from qa.errors import FeedbackError, FeedbackInvalid, NotFound, Unexpected
from qa.feedback import REASONS, STATUSES, Verdict
from qa.index import Index
from qa.web import incoming, problems
from qa.web.service import Service

FIELDS = frozenset({"helpful", "reason", "topic", "status"})
HELPFUL = {"yes": True, "no": False}

logger = logging.getLogger(__name__)


def add_feedback(app: Flask, service: Service) -> None:
    """Add the route that takes feedback, and what ``feedback.html`` needs to ask for it."""
    app.jinja_env.globals.update(feedback_on=service.feedback is not None, reasons=REASONS)

    @app.post("/feedback")
    def feedback() -> ResponseReturnValue:
        if service.feedback is None:
            raise NotFound
        if request.headers.get("Sec-Fetch-Site") == "cross-site":  # a page of somebody else's
            raise FeedbackInvalid
        verdict = _verdict(incoming.form(service.settings.max_body_bytes), service.engine.index)
        try:
            service.feedback.keep(verdict)
        except FeedbackError as error:
            logger.error("feedback not kept code=%s %s", error.code, error)
            raise Unexpected from error
        return render_template("thanks.html") if problems.prefers_html() else ("", 204)


def _verdict(form: MultiDict[str, str], index: Index) -> Verdict:
    """Return what was said.

    Raises:
        FeedbackInvalid: a field is missing, unknown or given twice, or has a value that the form
            does not offer.
    """
    said = form.to_dict()
    topic, status, reason = said.get("topic", ""), said.get("status"), said.get("reason")
    helpful = HELPFUL.get(said.get("helpful", ""))
    known = (
        said.keys() <= FIELDS
        and all(len(values) == 1 for values in form.listvalues())
        and (not topic or topic in index.topic)
        and (reason is None or (reason in REASONS and helpful is False))
    )
    if not known or helpful is None or status not in STATUSES:
        raise FeedbackInvalid
    chapter = index.topic[topic].chapter if topic else ""
    return Verdict(topic, chapter, status, helpful, reason, index.manifest.build)
