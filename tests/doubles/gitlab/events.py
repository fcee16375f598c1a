"""What each event's delivery says, shaped as GitLab's documented examples are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.doubles.gitlab import shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.gitlab.shapes import Json
    from tests.doubles.gitlab.state import Note, Pipeline, Project, Request, User

TITLES = {
    "merge_requests": "Merge Request Hook",
    "note": "Note Hook",
    "pipeline": "Pipeline Hook",
    "push": "Push Hook",
}


def payload(project: Project, event: str, subject: Any, user: User, **more: Any) -> Json:
    """Return the whole payload of an event."""
    return EVENTS[event](project, subject, user, **more)


def _merge_requests(
    project: Project, mr: Request, user: User, *, action: str = "update", oldrev: str = ""
) -> Json:
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": _user(project, user),
        "project": _project(project),
        "repository": _repository(project),
        "object_attributes": _request(project, mr)
        | {"action": action, "url": mr.web_url}
        | ({"oldrev": oldrev} if oldrev else {}),
        "labels": [],
        "changes": {},
        "assignees": [_user(project, project.users[name]) for name in mr.assignees],
        "reviewers": [_user(project, project.users[name]) for name in mr.reviewers],
    }


def _note(project: Project, mr: Request, user: User, *, note: Note, action: str = "create") -> Json:
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": _user(project, user),
        "project_id": project.id,
        "project": _project(project),
        "repository": _repository(project),
        "object_attributes": {
            "id": note.id,
            "note": note.body,
            "noteable_type": "MergeRequest",
            "author_id": note.author.id,
            "created_at": _time(note.created_at),
            "updated_at": _time(note.updated_at),
            "project_id": project.id,
            "attachment": None,
            "line_code": None,
            "commit_id": "",
            "noteable_id": mr.id,
            "system": note.system,
            "st_diff": None,
            "action": action,
            "url": f"{mr.web_url}#note_{note.id}",
        },
        "merge_request": {key: value for key, value in _request(project, mr).items() if key in NOTED},
    }


def _pipeline(project: Project, made: Pipeline, user: User, *, mr: Request | None = None) -> Json:
    about = mr and {
        "id": mr.id,
        "iid": mr.iid,
        "title": mr.title,
        "source_branch": mr.source_branch,
        "source_project_id": mr.source_project_id,
        "target_branch": mr.target_branch,
        "target_project_id": project.id,
        "state": mr.state,
        "merge_status": mr.merge_status,
        "detailed_merge_status": "mergeable",
        "url": mr.web_url,
    }
    return {
        "object_kind": "pipeline",
        "object_attributes": {
            "id": made.id,
            "iid": made.id,
            "ref": made.ref,
            "tag": False,
            "sha": made.sha,
            "before_sha": made.sha,
            "source": "merge_request_event" if mr else "push",
            "status": made.status,
            "detailed_status": made.status,
            "stages": ["test"],
            "duration": 1,
            "variables": [],
        },
        "merge_request": about,
        "user": _user(project, user),
        "project": {key: value for key, value in _project(project).items() if key in PIPED},
        "commit": {key: value for key, value in _commit(project, made.sha).items() if key != "title"},
        "builds": [],
    }


def _push(project: Project, ref: str, user: User, *, before: str, after: str) -> Json:
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": before,
        "after": after,
        "ref": ref,
        "checkout_sha": after,
        "user_id": user.id,
        "user_name": user.username.title(),
        "user_username": user.username,
        "user_email": "",
        "user_avatar": f"{project.url}/avatars/{user.id}",
        "project_id": project.id,
        "project": _project(project),
        "repository": {
            "name": project.path,
            "url": f"{project.web_url}.git",
            "description": "",
            "homepage": project.web_url,
            "git_http_url": f"{project.web_url}.git",
            "git_ssh_url": f"git@localhost:{project.path}.git",
            "visibility_level": shapes.LEVELS[project.visibility],
        },
        "commits": [],
        "total_commits_count": 0,
    }


EVENTS: dict[str, Callable[..., Json]] = {
    "merge_requests": _merge_requests,
    "note": _note,
    "pipeline": _pipeline,
    "push": _push,
}
NOTED = [
    "id",
    "target_branch",
    "source_branch",
    "source_project_id",
    "author_id",
    "assignee_id",
    "title",
    "created_at",
    "updated_at",
    "milestone_id",
    "state",
    "merge_status",
    "target_project_id",
    "iid",
    "description",
    "labels",
    "source",
    "target",
    "last_commit",
    "work_in_progress",
    "detailed_merge_status",
]
PIPED = [
    "id",
    "name",
    "description",
    "web_url",
    "avatar_url",
    "git_ssh_url",
    "git_http_url",
    "namespace",
    "visibility_level",
    "path_with_namespace",
    "default_branch",
]


def _request(project: Project, mr: Request) -> Json:
    said = shapes.request(project, mr)
    same = (
        "id iid target_branch source_branch source_project_id target_project_id title description state "
        "merge_status detailed_merge_status work_in_progress"
    )
    ids = {
        "assignee_ids": [project.users[name].id for name in mr.assignees],
        "reviewer_ids": [project.users[name].id for name in mr.reviewers],
    }
    return (
        {key: said[key] for key in same.split()}
        | ids
        | {
            "assignee_id": ids["assignee_ids"][0] if mr.assignees else None,
            "author_id": mr.author.id,
            "created_at": _time(mr.created_at),
            "updated_at": _time(mr.updated_at),
            "milestone_id": None,
            "state_id": {"opened": 1, "closed": 2, "merged": 3, "locked": 4}[mr.state],
            "blocking_discussions_resolved": True,
            "source": _project_of_side(project),
            "target": _project_of_side(project),
            "last_commit": _commit(project, mr.sha),
            "labels": [],
        }
    )


def _project(project: Project) -> Json:
    return {"id": project.id} | _project_of_side(project)


def _project_of_side(project: Project) -> Json:
    git, ssh = f"{project.web_url}.git", f"git@localhost:{project.path}.git"
    return {
        "name": project.path.rpartition("/")[2],
        "description": "",
        "web_url": project.web_url,
        "avatar_url": None,
        "git_ssh_url": ssh,
        "git_http_url": git,
        "namespace": project.path.rpartition("/")[0],
        "visibility_level": shapes.LEVELS[project.visibility],
        "path_with_namespace": project.path,
        "default_branch": project.bare.default_branch,
        "homepage": project.web_url,
        "url": git,
        "ssh_url": ssh,
        "http_url": git,
    }


def _repository(project: Project) -> Json:
    return {
        "name": project.path.rpartition("/")[2],
        "url": f"{project.web_url}.git",
        "description": "",
        "homepage": project.web_url,
    }


def _commit(project: Project, sha: str) -> Json:
    _, message = project.bare.commit(sha)
    return {
        "id": sha,
        "message": message,
        "title": message.partition("\n")[0],
        "timestamp": "2024-01-01T00:00:00+00:00",
        "url": f"{project.web_url}/-/commit/{sha}",
        "author": {"name": "Owner", "email": "owner@localhost"},
    }


def _user(project: Project, user: User) -> Json:
    return {
        "id": user.id,
        "name": user.username.title(),
        "username": user.username,
        "avatar_url": f"{project.url}/avatars/{user.id}",
        "email": "[REDACTED]",
    }


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"  # deliveries and the API differ in this
