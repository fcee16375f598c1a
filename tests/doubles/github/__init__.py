"""A GitHub on loopback that takes and gives only what GitHub's own description allows."""

from tests.doubles.github.faults import Fault
from tests.doubles.github.front import Request
from tests.doubles.github.server import TOKEN, GitHub
from tests.doubles.github.state import Pull, Repo, Token
from tests.doubles.github.webhooks import Delivery

__all__ = ["TOKEN", "Delivery", "Fault", "GitHub", "Pull", "Repo", "Request", "Token"]
