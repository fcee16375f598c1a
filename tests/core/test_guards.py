"""What may not be proposed: each rule with what it must let through beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core import guards
from app.core.changes import Change, Changeset
from app.core.errors import Refused
from app.core.redact import Redactor
from app.core.settings import LimitSettings

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
LIMITS = LimitSettings()
REDACTOR = Redactor(["configured-canary-value"])


def _check(
    *changes: Change,
    limits: LimitSettings = LIMITS,
    base_links: Callable[[str], str | None] | None = None,
    base_text: Callable[[str], bytes | None] | None = None,
) -> tuple[str, ...]:
    changeset = Changeset(base="0" * 40, changes=changes)
    return guards.check(changeset, limits, REDACTOR, base_links=base_links, base_text=base_text)


def _file(path: str, content: bytes = b"x\n") -> Change:
    return Change(path=path, content=content)


def _link(path: str, target: str) -> Change:
    return Change(path=path, mode="120000", content=target.encode())


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a/./b",
        "../a",
        "a/../../b",
        "a\\b",
        "a\nb",
        "a\x7fb",
        "a\u202eb",
        "a\u200bb",
        ".git/config",
        "sub/.git/hooks/x",
        ".GIT/x",
        ".Git",
        "a/.git",
        "git~1/x",
        "GIT~2/x",
        ".git /x",
        ".git./x",
        ".git::$DATA/x",
        ".gi\u200ct/x",
        "x/" * 600 + "x",
        "n" * 256,
        "\udcff",
    ],
)
def test_bad_paths_are_refused(path: str) -> None:
    with pytest.raises(Refused, match="the path"):
        _check(Change.model_construct(path=path, mode="100644", content=b"x"))


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".GitHub/x",
        ".github",
        ".gitlab/x",
        ".gitlab",
        ".gitlab-ci.yml",
        ".GITLAB-CI.YML",
        ".vscode/x",
        ".circleci/config.yml",
        ".codex/config.toml",
        ".claude/x",
        ".gitmodules",
        "sub/.gitmodules",
        ".gitattributes",
        "a/b/.gitattributes",
        "CODEOWNERS",
        "docs/CODEOWNERS",
        "docs/codeowners",
        "AGENTS.md",
        "sub/agents.md",
        "AGENTS.override.md",
        ".githooks/x",
        "tools/.husky/pre-commit",
        "githooks/x",
        "hooks/pre-commit",
        "a/hooks/post-merge.sample",
        "repo.git/hooks/x",
    ],
)
@pytest.mark.parametrize("gone", [True, False])
def test_protected_files_are_refused(path: str, gone: bool) -> None:
    with pytest.raises(Refused, match="is protected"):
        _check(Change(path=path, content=None if gone else b"x"))


@pytest.mark.parametrize("name", [".codex", ".agents", ".aws", ".aws/credentials"])
def test_what_the_sandbox_left_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="the sandbox left it"):
        _check(_file(name, b""))


def test_a_link_cannot_stand_where_a_dot_folder_does() -> None:
    with pytest.raises(Refused, match="is protected"):
        _check(_link(".circleci", "ci"))


@pytest.mark.parametrize(
    "path",
    [
        "src/app.py",
        ".gitignore",
        "src/.gitignore",
        ".env.example",
        ".pre-commit-config.yaml",
        "src/.config/x",
        "a.git",
        "git",
        "ä/ö.txt",
        "hooks/useThing.ts",
        "app/hooks/__init__.py",
        "docs/agents.md.txt",
        "README",
        "a b/c",
        "x" * 255,
    ],
)
def test_ordinary_files_pass(path: str) -> None:
    assert _check(_file(path)) == ()


def test_manifests_and_lock_files_are_flagged() -> None:
    flagged = _check(
        *map(_file, ["a/requirements-dev.txt", "go.sum", "pyproject.toml", "src/x.py", "uv.lock"])
    )
    assert flagged == (
        "It changes the manifest a/requirements-dev.txt.",
        "It changes the lock file go.sum.",
        "It changes the manifest pyproject.toml.",
        "It changes the lock file uv.lock.",
    )
    assert guards.dependency_file("sub/Cargo.toml") == "manifest"
    assert guards.dependency_file("sub/notes.txt") is None


def test_size_and_count() -> None:
    limits = LimitSettings(max_files=2, max_patch_bytes=10)
    assert _check(_file("a", b"12345"), _file("b", b"12345"), limits=limits) == ()
    with pytest.raises(Refused, match="3 files; 2 are allowed"):
        _check(_file("a"), _file("b"), Change(path="c"), limits=limits)
    with pytest.raises(Refused, match="11 bytes; 10 are allowed"):
        _check(_file("a", b"12345678901"), limits=limits)


def test_one_path_one_file() -> None:
    for pair in (("a", "a"), ("A.txt", "a.txt"), ("caf\u00e9", "cafe\u0301"), ("a", "a/b"), ("A", "a/b")):
        with pytest.raises(Refused):
            _check(*map(_file, pair))
    assert _check(Change(path="README"), _file("readme")) == ()
    assert _check(Change(path="a"), _file("a/b")) == ()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("l", "/etc/passwd"),
        ("l", ".."),
        ("l", "../x"),
        ("a/l", "../../x"),
        ("a/b/l", "x/../../../.."),
        ("l", ""),
        ("l", "a\\..\\.."),
        ("l", ".git/config"),
        ("a/l", "../.GIT"),
        ("l", "l"),
        ("l", "out/x"),
        ("l", "up/../.."),
        ("a/l", "../deep/up"),
        ("l", "far/x"),
    ],
)
def test_links_that_leave_the_tree_are_refused(path: str, target: str) -> None:
    base = {"out": "..", "up": "a", "deep/up": "../..", "far": "/srv"}
    with pytest.raises(Refused, match="symlink"):
        _check(_link(path, target), base_links=base.get)


def test_links_in_the_tree_pass() -> None:
    base = {"up": "a/b"}
    assert _check(_link("a/l", "../x"), base_links=base.get) == ()
    assert _check(_link("l", "a/b/../c/.")) == ()
    assert _check(_link("l", "up/../x"), base_links=base.get) == ()
    assert _check(_link("l", "missing")) == ()


def test_links_of_the_same_change_count() -> None:
    with pytest.raises(Refused, match="symlink"):
        _check(_link("d/l", "../m/x"), _link("m", "d/.."), _link("x", "m/../y"))
    with pytest.raises(Refused, match="goes in circles"):
        _check(_link("l", "m"), _link("m", "l"))
    assert _check(_link("l", "m/.."), _link("a/n", "x"), Change(path="m"), base_links={"m": "/"}.get) == ()


def test_no_file_behind_a_link() -> None:
    with pytest.raises(Refused, match="lies behind the symlink 'out'"):
        _check(_file("out/x"), base_links={"out": "a"}.get)
    assert _check(Change(path="out"), _file("out/x"), base_links={"out": "a"}.get) == ()


def test_secrets_are_refused_and_not_repeated() -> None:
    for content in (
        f"token = '{TOKEN}'\n",
        "x = 'configured-canary-value'\n",
        "\0\1configured-canary-value\xff",
    ):
        with pytest.raises(Refused, match="looks like a secret") as refused:
            _check(_file("a.py", content.encode("latin-1")))
        assert TOKEN not in str(refused.value)
        assert "canary" not in str(refused.value)
    with pytest.raises(Refused, match="name of a file looks like a secret"):
        _check(_file("configured-canary-value.txt"))
    with pytest.raises(Refused, match="looks like a secret"):
        _check(_link("l", "configured-canary-value"))
    assert _check(Change(path="a.py")) == ()


def test_a_secret_of_the_base_blocks_no_edit_beside_it() -> None:
    base = f"token = '{TOKEN}'\nprint('helo')\n".encode()
    fixed = base.replace(b"helo", b"hello")
    assert _check(_file("a.py", fixed), base_text={"a.py": base}.get) == ()
    with pytest.raises(Refused):
        _check(_file("a.py", fixed))
    with pytest.raises(Refused):
        _check(_file("b.py", fixed), base_text={"a.py": base}.get)
    other = TOKEN[:-4] + "ZZZZ"
    with pytest.raises(Refused):
        _check(_file("a.py", base + f"other = '{other}'\n".encode()), base_text={"a.py": base}.get)
    with pytest.raises(Refused):
        _check(_file("a.py", base + b"x = 'configured-canary-value'\n"), base_text={"a.py": base}.get)
