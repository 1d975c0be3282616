"""A subject access export as a page that a person can read: one HTML file that stands alone and loads nothing.

The data come from `pipeline.subject`; the page says no more and no less than they do.
"""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.render import render


def render_subject(data: Mapping[str, object]) -> str:
    """The page."""
    return render("subject.html", data=data)
