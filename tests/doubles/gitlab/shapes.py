"""What GitLab remembers, in the words of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.doubles.gitlab.state import DEVELOPER, OWNER

if TYPE_CHECKING:
    from datetime import datetime

    from tests.doubles.gitlab.state import Hook, Note, Pipeline, Project, Request, Status, Token, User

Json = dict[str, Any]
LEVELS = {"private": 0, "internal": 10, "public": 20}


def user(one: User, url: str) -> Json:
    return {
        "id": one.id,
        "username": one.username,
        "name": one.username.title(),
        "state": "active",
        "locked": False,
        "avatar_url": f"{url}/avatars/{one.id}",
        "web_url": f"{url}/{one.username}",
    }


def myself(one: User, url: str) -> Json:
    admin = {"is_admin": True} if one.admin else {}  # other users do not get the key
    return user(one, url) | {"bot": one.bot, "email": f"{one.username}@localhost"} | admin


def token(one: Token) -> Json:
    return {
        "id": one.id,
        "name": "pimainteno",
        "revoked": one.revoked,
        "active": not one.trouble,
        "scopes": list(one.scopes),
        "user_id": one.user.id,
        "expires_at": one.expires and one.expires.isoformat(),
        "created_at": "2024-01-01T00:00:00.000Z",
        "last_used_at": "2024-01-01T00:00:00.000Z",
    }


def project(one: Project, who: User | None) -> Json:
    level = one.members.get(who.username) if who else None
    space = one.path.rpartition("/")[0]
    return {
        "id": one.id,
        "name": one.path.rpartition("/")[2],
        "path": one.path.rpartition("/")[2],
        "path_with_namespace": one.path,
        "name_with_namespace": one.path.replace("/", " / "),
        "namespace": {"id": 1, "name": space, "path": space, "kind": "group", "full_path": space},
        "description": "",
        "default_branch": one.bare.default_branch,
        "visibility": one.visibility,
        "archived": one.archived,
        "empty_repo": not one.bare.branches(),
        "web_url": one.web_url,
        "http_url_to_repo": f"{one.web_url}.git",
        "ssh_url_to_repo": f"git@localhost:{one.path}.git",
        "created_at": "2024-01-01T00:00:00.000Z",
        "last_activity_at": "2024-01-01T00:00:00.000Z",
        "merge_method": "merge",
        "merge_requests_enabled": one.requests_level != "disabled",
        "merge_requests_access_level": one.requests_level,
        "can_create_merge_request_in": one.level(who) >= DEVELOPER,
        "permissions": {
            "project_access": level and {"access_level": level, "notification_level": 3},
            "group_access": None,
        },
    }


def member(one: Project, who: User) -> Json:
    return user(who, one.url) | {
        "access_level": one.level(who) if not who.admin else OWNER,
        "expires_at": None,
        "membership_state": "active",
    }


def request(one: Project, mr: Request, *, whole: bool = False) -> Json:
    people = [user(one.users[name], one.url) for name in mr.assignees]
    ender = mr.ended_by and user(mr.ended_by, one.url)
    merged, closed, ended = mr.state == "merged", mr.state == "closed", mr.ended_at and time(mr.ended_at)
    conflicts = mr.merge_status == "cannot_be_merged"
    more = {
        "head_pipeline": mr.pipeline and pipeline(one, mr.pipeline),
        "diff_refs": {"base_sha": mr.base_sha, "head_sha": mr.sha, "start_sha": mr.base_sha},
        "changes_count": "1",
        "merge_error": None,
        "subscribed": False,
        "user": {"can_merge": True},
    }
    return {
        "id": mr.id,
        "iid": mr.iid,
        "project_id": one.id,
        "source_project_id": mr.source_project_id,
        "target_project_id": one.id,
        "title": mr.title,
        "description": mr.description,
        "state": mr.state,
        "draft": mr.draft,
        "work_in_progress": mr.draft,
        "source_branch": mr.source_branch,
        "target_branch": mr.target_branch,
        "sha": mr.sha,
        "web_url": mr.web_url,
        "author": user(mr.author, one.url),
        "labels": list(mr.labels),
        "assignee": people[0] if people else None,
        "assignees": people,
        "reviewers": [user(one.users[name], one.url) for name in mr.reviewers],
        "merge_status": mr.merge_status,
        "detailed_merge_status": _detailed(mr),
        "has_conflicts": conflicts,
        "merge_commit_sha": mr.merge_commit_sha,
        "squash_commit_sha": mr.squash_commit_sha,
        "merge_user": ender if merged else None,
        "merged_by": ender if merged else None,
        "merged_at": ended if merged else None,
        "closed_by": ender if closed else None,
        "closed_at": ended if closed else None,
        "created_at": time(mr.created_at),
        "updated_at": time(mr.updated_at),
        "user_notes_count": sum(not note.system for note in mr.notes),
        "upvotes": 0,
        "downvotes": 0,
        "milestone": None,
        "squash": False,
        "reference": f"!{mr.iid}",
        "references": {"short": f"!{mr.iid}", "relative": f"!{mr.iid}", "full": f"{one.path}!{mr.iid}"},
    } | (more if whole else {})


def pipeline(one: Project, made: Pipeline) -> Json:
    return {
        "id": made.id,
        "iid": made.id,
        "project_id": one.id,
        "sha": made.sha,
        "ref": made.ref,
        "status": made.status,
        "source": "push",
        "web_url": f"{one.web_url}/-/pipelines/{made.id}",
    }


def status(one: Project, given: Status) -> Json:
    return {
        "id": given.id,
        "sha": given.sha,
        "ref": given.ref,
        "name": given.name,
        "status": given.status,
        "allow_failure": given.allow_failure,
        "created_at": time(given.created_at),
        "started_at": None,
        "finished_at": None,
        "description": None,
        "target_url": f"{one.web_url}/-/jobs/{given.id}",
        "coverage": None,
        "author": {key: value for key, value in user(one.users["root"], one.url).items() if key != "locked"},
    }


def note(one: Project, mr: Request, said: Note) -> Json:
    return {
        "id": said.id,
        "type": None,
        "body": said.body,
        "author": user(said.author, one.url),
        "created_at": time(said.created_at),
        "updated_at": time(said.updated_at),
        "system": said.system,
        "noteable_id": mr.id,
        "noteable_type": "MergeRequest",
        "noteable_iid": mr.iid,
        "project_id": one.id,
        "resolvable": False,
        "confidential": False,
        "internal": False,
    }


def hook(one: Project, made: Hook) -> Json:
    return {
        "id": made.id,
        "url": made.url,
        "project_id": one.id,
        "enable_ssl_verification": made.ssl,
        "alert_status": "executable",
        "created_at": "2024-01-01T00:00:00.000Z",
        "token_present": bool(made.token),
        "signing_token_present": bool(made.signing_token),
    } | made.events


def time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _detailed(mr: Request) -> str:
    if mr.state != "opened":
        return "not_open"
    if mr.merge_status in ("unchecked", "checking"):
        return mr.merge_status
    if mr.merge_status == "cannot_be_merged":
        return "conflict"
    return "draft_status" if mr.draft else "mergeable"
