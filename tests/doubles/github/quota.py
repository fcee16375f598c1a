"""How many requests an hour GitHub still takes; what has not changed (304) is free."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

USED_UP = {
    "message": "API rate limit exceeded for user ID 1.",
    "documentation_url": "https://docs.github.com/rest",
    "status": "403",
}


@dataclass
class Quota:
    """What is left of one; tests may set it."""

    limit: int = 5000
    remaining: int = 5000
    reset_at: float = field(default_factory=lambda: time.time() + 3600)

    def take(self) -> bool:
        """Count one request; False where there are none left."""
        if self.reset_at <= time.time():
            self.remaining, self.reset_at = self.limit, time.time() + 3600
        self.remaining -= 1
        return self.remaining >= 0

    def headers(self) -> dict[str, str]:
        left = max(0, self.remaining)
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-used": str(self.limit - left),
            "x-ratelimit-reset": str(int(self.reset_at)),
            "x-ratelimit-resource": "core",
        }
