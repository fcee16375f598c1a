"""A GitLab on loopback that takes only what GitLab's documentation says, and answers as recorded."""

from tests.doubles.gitlab.faults import Fault
from tests.doubles.gitlab.front import Request as Asked
from tests.doubles.gitlab.server import TOKEN, GitLab
from tests.doubles.gitlab.state import Project, Request, Token
from tests.doubles.gitlab.webhooks import Delivery

__all__ = ["TOKEN", "Asked", "Delivery", "Fault", "GitLab", "Project", "Request", "Token"]
