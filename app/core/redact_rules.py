"""What secrets look like: a table of rules, each with a name that is safe to show.

Every expression is linear in the length of the text: no repeat stands beside another that takes the
same characters without a bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core.redact_checks import judge_basic, judge_key_value, judge_option, judge_token, judge_url_password

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Rule:
    """One kind of secret.

    `hints` are lower-case texts of which one must be there for the (slower) expression to be tried; a group
    named `secret` is what goes, else all that was found; `check` has the last word.
    """

    name: str
    expression: re.Pattern[str]
    hints: tuple[str, ...]
    check: Callable[[re.Match[str]], bool] = field(default=lambda _: True)


NAMES = (
    r"passw(?:or)?d|passphrase|(?<![a-z])pass(?=[=:])|(?<![a-z])pwd(?==)"
    r"|(?:client|app|consumer)?[_-]?secret(?:[_-]?(?:access)?[_-]?key(?:[_-]?base)?)?|token"
    r"|(?:api|access|account|auth|encryption|master|private|shared|signing)[_-]?(?:access[_-]?)?key"
    r"|credentials?"
)
SUFFIX = (
    r"(?:[_-]?(?:\d{1,3}|admin|base|current|default|dev|live|new|old|prod|production|root|staging|value))?"
)
KEY = rf"(?P<name>{NAMES}){SUFFIX}"
HINTS = ("pass", "pwd", "secret", "token", "key", "credential")
SECRET_NAME = re.compile(rf"(?:.*[_.-])?{KEY}", re.IGNORECASE | re.DOTALL)
"""A key under which any text is a secret."""


def _rule(
    name: str,
    expression: str,
    *hints: str,
    check: Callable[[re.Match[str]], bool] | None = None,
    flags: re.RegexFlag = re.NOFLAG,
) -> Rule:
    compiled = re.compile(expression, flags)
    return Rule(name, compiled, hints, check) if check else Rule(name, compiled, hints)


B = r"(?<![A-Za-z0-9_])"
"""Not in the middle of a word. What ends a token is left open: a full stop or a brace may follow."""

RULES = (
    _rule(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:(?!-----)[\s\S])*-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:(?:\s|\\[nr]){1,8}[A-Za-z0-9+/=]{16,})*)",
        "private key",
    ),
    _rule("github-token", rf"{B}gh[oprsu]_[A-Za-z0-9_]{{30,}}", "gh"),
    _rule("github-token", r"github_pat_[A-Za-z0-9_]{22,}", "github_pat_"),
    _rule("gitlab-token", rf"{B}gl[a-z]{{2,6}}-[A-Za-z0-9_-]{{20,}}(?:\.[A-Za-z0-9_.-]+)?", "gl"),
    _rule(
        "aws-key-id", rf"{B}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}(?![A-Z0-9])", "akia", "asia", "abia", "acca"
    ),
    _rule("slack-token", rf"{B}xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{{10,}}", "xox"),
    _rule("slack-token", rf"{B}xapp-\d-[A-Za-z0-9-]{{10,}}", "xapp-"),
    _rule(
        "webhook-url",
        r"https://(?:hooks\.slack\.com/[a-z]{1,20}|(?:[a-z]{1,10}\.)?discord(?:app)?\.com/api/webhooks)"
        r"/(?P<secret>[A-Za-z0-9_/+-]{20,})",
        "hooks.slack.com",
        "/api/webhooks",
    ),
    _rule("stripe-key", rf"{B}[rs]k_(?:live|test|prod)_[A-Za-z0-9]{{10,}}", "k_"),
    _rule("webhook-secret", rf"{B}whsec_[A-Za-z0-9+/=_-]{{16,}}", "whsec_"),
    _rule("model-key", rf"{B}(?P<secret>sk-[A-Za-z0-9_-]{{20,}})", "sk-", check=judge_token),
    _rule("google-key", rf"{B}AIza[A-Za-z0-9_-]{{30,}}", "aiza"),
    _rule("google-key", rf"{B}(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{{20,}}", "ya29.", "gocspx-"),
    _rule("npm-token", rf"{B}npm_[A-Za-z0-9]{{36}}", "npm_"),
    _rule("pypi-token", rf"{B}pypi-AgE[A-Za-z0-9_-]{{40,}}", "pypi-"),
    _rule("docker-token", rf"{B}dckr_(?:pat|oat)_[A-Za-z0-9_-]{{20,}}", "dckr_"),
    _rule("model-hub-token", rf"{B}hf_[A-Za-z0-9]{{30,}}", "hf_"),
    _rule("mail-key", rf"{B}SG\.[A-Za-z0-9_-]{{16,}}\.[A-Za-z0-9_-]{{16,}}", "sg."),
    _rule("bot-token", r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{30,}", ":aa"),
    _rule("vault-token", rf"{B}hv[bsr]\.[A-Za-z0-9_-]{{24,}}", "hv"),
    _rule("cloud-token", rf"{B}(?:do[opr]_v1_|shp(?:at|ca|pa|ss)_)[a-fA-F0-9]{{32,}}", "_v1_", "shp"),
    _rule(
        "service-token",
        rf"{B}(?:glsa_|glc_|sntrys_|lin_api_|tskey-[a-z]{{2,20}}-)[\w=+/-]{{20,}}",
        "_",
        "tskey-",
    ),
    _rule("age-key", r"AGE-SECRET-KEY-1[0-9A-Z]{20,}", "age-secret-key-"),
    _rule("jwt", rf"{B}eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}(?:\.[A-Za-z0-9_-]*)?", "eyj"),
    _rule("password-hash", r"\$(?:[1567y]|2[abxy]|argon2id?)\$[./A-Za-z0-9$=,]{16,}", "$"),
    _rule(
        "authorization",
        r"authorization[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?[a-z0-9-]{1,20}[ \t]{1,4}"
        r"(?P<secret>[^\s\"',;]{6,})",
        "authorization",
        check=judge_token,
        flags=re.IGNORECASE,
    ),
    _rule(
        "authorization",
        r"(?:authorization[\"']?[ \t]{0,4}[:=]|(?<![a-z])bearer[ \t])[ \t]{0,4}[\"']?"
        r"(?P<secret>[A-Za-z0-9._~+/-]{8,}={0,2})(?![A-Za-z0-9._~+/=-])",
        "authorization",
        "bearer",
        check=judge_token,
        flags=re.IGNORECASE,
    ),
    _rule(
        "authorization",
        r"basic[ \t]{1,4}(?P<secret>[A-Za-z0-9+/]{8,}={0,2})(?![A-Za-z0-9+/=])",
        "basic",
        check=judge_basic,
        flags=re.IGNORECASE,
    ),
    _rule(
        "cookie",
        r"(?<![a-z])cookie[\"']?:[ \t]{0,4}[\"']?(?P<secret>[A-Za-z0-9_.-]{1,64}=[^\r\n\"']{6,})",
        "cookie",
        flags=re.IGNORECASE,
    ),
    _rule(
        "url-password",
        r"(?<=://)[^\s/@:\"'<>\[]{0,100}:(?P<secret>[^\s/@\"'<>]{1,300})@(?=[A-Za-z0-9\[.])",
        "://",
        check=judge_url_password,
    ),
    _rule("url-password", r"(?<=://)(?P<secret>[A-Za-z0-9_-]{20,300})@", "://", check=judge_token),
    _rule(
        "command-option",
        rf"--(?:[a-z]{{1,20}}-){{0,3}}{KEY}(?:=|[ \t]{{1,4}}|[\"'],[ \t]{{0,4}})[\"']?"
        r"(?P<secret>[^\s\"']{5,})",
        "--",
        check=judge_option,
        flags=re.IGNORECASE,
    ),
    _rule(
        "command-option",
        r"(?<=\s)(?:-u|--user)[ =](?:[^\s:]{1,64}):(?P<secret>\S{5,})",
        "-u",
        check=judge_option,
    ),
    _rule(
        "key-value",
        rf"{KEY}[\"'\\]{{0,2}}[ \t]{{0,8}}(?P<sep>:=|=>|=|:|>|\bis\b)(?![=:>])[ \t]{{0,8}}"
        r"\\?(?P<quote>[\"'])?(?P<secret>(?(quote)[^\s\"'\\]+|[^\s\"'&;,<\\]+))",
        *HINTS,
        check=judge_key_value,
        flags=re.IGNORECASE,
    ),
)
