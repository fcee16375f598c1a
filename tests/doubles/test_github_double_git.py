"""The GitHub double's git, App tokens and webhooks are real."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.doubles.conftest import DRAFT, NAME, REPO, client, listener
from tests.doubles.github import TOKEN, Fault, GitHub

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.doubles.origin import Origin

ENV = {"PATH": "/usr/bin:/bin", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null"}
PUSH = r"git-receive-pack$"


def _git(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *args], env=ENV, capture_output=True, text=True, check=False)


def _url(github: GitHub, token: str = TOKEN) -> str:
    return github.clone_url(NAME).replace("://", f"://x-access-token:{token}@")


def _pushed(github: GitHub, origin: Origin, to: str, token: str = TOKEN) -> tuple[bool, str]:
    done = _git("-C", origin.work, "push", _url(github, token), f"HEAD:refs/heads/{to}")
    return done.returncode == 0, done.stderr


def test_clone_and_push(github: GitHub, place: Path, origin: Origin) -> None:
    assert _git("clone", github.clone_url(NAME), place / "none").returncode != 0
    assert "Authentication failed" in _git("clone", _url(github, "ghp_wrong"), place / "none").stderr
    assert _git("clone", _url(github), place / "copy").returncode == 0
    origin.write("big.bin", hashlib.shake_128(b"seed").digest(3_000_000))  # longer than git sends at once
    tip = origin.commit(message="big", to="local")
    assert _pushed(github, origin, "big")[0]
    assert origin.git("ls-remote", "origin", "refs/heads/big").startswith(tip)
    assert {request.kind for request in github.requests} == {"none", "basic"}
    github.repo(NAME).private = False
    assert _git("clone", github.clone_url(NAME), place / "public").returncode == 0
    assert _git("-C", origin.work, "push", github.clone_url(NAME), "HEAD:refs/heads/x").returncode != 0


def test_pushes_that_github_refuses(github: GitHub, origin: Origin) -> None:
    github.protect(NAME, "main", "release/*")
    for branch in ("main", "release/1"):
        done, said = _pushed(github, origin, branch)
        assert not done
        assert "GH013: Repository rule violations found for refs/heads/" in said
    assert _pushed(github, origin, "free")[0]
    github.allow("ghp_read", "reader", write=False)
    assert "403" in _pushed(github, origin, "other", "ghp_read")[1]
    github.repo(NAME).archived = True
    assert "archived" in _pushed(github, origin, "other")[1]
    assert "other" not in github.repo(NAME).bare.branches()


def test_faults_of_git(github: GitHub, origin: Origin) -> None:
    github.fault("POST", PUSH, Fault.cut(after=True))
    assert not _pushed(github, origin, "cut")[0]
    assert "cut" in github.repo(NAME).bare.branches()
    for fault in (Fault.server_error(503), Fault.error(403, "Forbidden"), Fault.cut()):
        github.fault("GET", r"service=git-receive-pack$", fault)
        assert not _pushed(github, origin, "none")[0]
    assert "none" not in github.repo(NAME).bare.branches()
    assert _pushed(github, origin, "none")[0]


def test_a_renamed_repository_is_found_by_git(github: GitHub, place: Path) -> None:
    url = _url(github)
    github.rename(NAME, "me/host")
    assert _git("clone", url, place / "copy").returncode == 0


def _keys() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.private_bytes(pem, pkcs8, plain).decode(), public.decode()


def test_the_way_to_an_apps_token(place: Path, origin: Origin) -> None:
    private, public = _keys()

    def signed(github: GitHub, key: str = private, **claims: Any) -> httpx.Client:
        now = int(time.time())
        whole = {"iss": "77", "iat": now - 60, "exp": now + 500} | claims
        return client(github, jwt.encode(whole, key, "RS256"))

    repos = {NAME: origin.bare, "me/other": origin.bare}
    with GitHub(
        place / "hub", repos=repos, app=("77", public), token_lasts=timedelta(seconds=3600)
    ) as github:
        where = f"{REPO}/installation"
        wrong: list[dict[str, Any]] = [
            {"iss": "78"},
            {"exp": int(time.time()) + 900},
            {"exp": int(time.time()) - 5},
            {"key": _keys()[0]},
        ]
        for claims in wrong:
            with signed(github, **claims) as web:
                assert web.get(where).status_code == 401, claims
        with client(github) as web:
            assert web.get(where).status_code == 401
        with signed(github) as web:
            made = f"/app/installations/{web.get(where).json()['id']}/access_tokens"
            assert web.post(made, json={"repositories": ["nothing"]}).status_code == 422
            assert web.post("/app/installations/1/access_tokens").status_code == 404
            told = web.post(made, json={"repositories": ["greeter"]}).json()
            github.repo("me/other").installed = False
            assert web.get("/repos/me/other/installation").status_code == 404
        with client(github, told["token"]) as web:
            assert web.get(REPO).status_code == 200
            assert web.get("/repos/me/other").status_code == 404
            assert web.post(f"{REPO}/pulls", json=DRAFT).json()["user"]["login"] == "pimainteno[bot]"
            assert _pushed(github, origin, "new", told["token"])[0]
            token = github.access.tokens[told["token"]]
            assert token.until is not None
            token.until -= timedelta(hours=2)
            assert web.get(REPO).status_code == 401
            assert not _pushed(github, origin, "late", told["token"])[0]


@pytest.mark.parametrize("content_type", ["json", "form"])
def test_webhooks_are_signed(github: GitHub, web: httpx.Client, origin: Origin, content_type: str) -> None:
    with listener() as (url, taken):
        github.webhook(url, "secret", content_type, events=["pull_request"])
        web.post(f"{REPO}/pulls", json=DRAFT).raise_for_status()
        web.patch(f"{REPO}/pulls/1", json={"title": "Better"}).raise_for_status()
        origin.commit({"c.txt": "more"}, to="fix")
        github.close(NAME, 1)
        github.reopen(NAME, 1)
        github.merge(NAME, 1)
        github.redeliver(github.webhooks.deliveries[0])
        github.webhooks.settle()
    payloads = []
    for headers, body in taken:
        mac = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
        assert headers["X-Hub-Signature-256"] == f"sha256={mac}"
        assert headers["X-GitHub-Event"] == "pull_request"
        payloads.append(json.loads(parse_qs(body.decode())["payload"][0] if content_type == "form" else body))
    actions = ["opened", "edited", "synchronize", "closed", "reopened", "closed", "opened"]
    assert [payload["action"] for payload in payloads] == actions
    assert [payload["pull_request"]["merged"] for payload in payloads] == [False] * 5 + [True, False]
    assert {payload["repository"]["full_name"] for payload in payloads} == {NAME}
    assert [payload["sender"]["login"] for payload in payloads[:4]] == ["me", "me", "me", "octocat"]
    ids = [headers["X-GitHub-Delivery"] for headers, _ in taken]
    assert ids[0] == ids[-1]
    assert len(set(ids)) == 6
    assert [len(delivery.statuses) for delivery in github.webhooks.deliveries] == [2, 1, 1, 1, 1, 1]
