from pathlib import Path

from app.core.paths import StatePaths


def test_the_agents_places_and_the_publishers_do_not_overlap() -> None:
    paths = StatePaths(Path("/state"))
    agents = [
        paths.clone("a"),
        paths.worktree("a"),
        paths.codex_home("a"),
        paths.prepared("a"),
        paths.scratch,
    ]
    ours = [
        paths.database,
        paths.redis,
        paths.redis_lock,
        paths.watch,
        paths.hooks,
        paths.gitconfig,
        paths.mirror("a"),
    ]
    assert all(path.is_relative_to(paths.agent) for path in agents)
    assert not any(path.is_relative_to(paths.agent) for path in ours)
    assert all(path.is_relative_to(paths.root) for path in [*agents, *ours])
    assert len({*agents, *ours}) == len(agents) + len(ours)


def test_projects_named_like_our_folders_do_not_meet_them() -> None:
    paths = StatePaths(Path("/state"))
    for name in ("work", "codex", "prepared", "scratch"):
        assert paths.clone(name) not in {
            paths.agent / folder for folder in ("work", "codex", "prepared", "scratch")
        }


def test_nothing_is_created(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path / "state")
    assert paths.worktree("a").name == "tree"
    assert not paths.root.exists()
