"""Hold the lock to its promise: every pinned package has a wheel for each Python and machine that we support.

The lock files know a file by its hash alone. `deploy/lock.sh` writes into `deploy/wheels.txt` which hash is
which file: one wheel per package, Python and machine. The check then needs no network: a package of the lock
for which no wheel with one of the hashes of the lock serves a target is a fault.

    python deploy/wheels.py write PYLOCK_TOML    # what lock.sh does
    python deploy/wheels.py check                # what the tests do
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
LIST = "deploy/wheels.txt"
PYTHONS = ((3, 11), (3, 12), (3, 13))
MACHINES = ("x86_64", "aarch64")
GLIBC = 28  # glibc 2.28: Debian 10 and newer, Raspberry Pi OS of the same age
HEADER = f"""\
# The wheels that the lock files stand for: Linux with glibc 2.{GLIBC} or newer on {" and ".join(MACHINES)},
# CPython 3.11 to 3.13.
# Written by deploy/lock.sh, checked by deploy/wheels.py. There are none for 32-bit ARM.
"""


@dataclass(frozen=True)
class Pin:
    """One package of a lock file."""

    name: str
    version: str
    marker: Marker | None
    hashes: frozenset[str]

    def applies(self, target: Target) -> bool:
        """Say whether the target installs it."""
        return self.marker is None or self.marker.evaluate(target.environment)


@dataclass(frozen=True)
class Wheel:
    """One file; its name says what it is for."""

    filename: str
    sha256: str

    @property
    def name(self) -> str:
        """Give the package's normal name."""
        return parse_wheel_filename(self.filename)[0]

    @property
    def version(self) -> str:
        """Give the package's version."""
        return str(parse_wheel_filename(self.filename)[1])

    @property
    def tags(self) -> frozenset[Tag]:
        """Give what the wheel runs on."""
        return parse_wheel_filename(self.filename)[3]


@dataclass(frozen=True)
class Target:
    """One Python on one machine."""

    python: tuple[int, int]
    machine: str

    def __str__(self) -> str:
        return f"CPython {self.python[0]}.{self.python[1]} on {self.machine}"

    @property
    def environment(self) -> dict[str, str]:
        """Give the target as environment markers see it."""
        version = f"{self.python[0]}.{self.python[1]}"
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{version}.0",  # the strictest: what is needed before a point release
            "python_version": version,
            "sys_platform": "linux",
        }

    def tags(self) -> tuple[Tag, ...]:
        """Give the wheel tags that it takes, best first."""
        platforms = [f"manylinux_2_{minor}_{self.machine}" for minor in range(GLIBC, 16, -1)]
        platforms += [f"manylinux2014_{self.machine}", f"linux_{self.machine}"]
        if self.machine == "x86_64":  # these two are older than wheels for ARM
            platforms += ["manylinux2010_x86_64", "manylinux1_x86_64"]
        return (
            *cpython_tags(self.python, platforms=platforms),
            *compatible_tags(self.python, f"cp{self.python[0]}{self.python[1]}", platforms),
        )

    def best(self, wheels: Iterable[Wheel]) -> Wheel | None:
        """Pick the wheel that an installer would."""
        found = {tag: wheel for wheel in wheels for tag in wheel.tags}
        return next((found[tag] for tag in self.tags() if tag in found), None)


TARGETS = tuple(Target(python, machine) for machine in MACHINES for python in PYTHONS)


def pins(text: str) -> Iterator[Pin]:
    """Read a lock file's entries."""
    for entry in re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ").splitlines():
        if not entry.strip():
            continue
        requirement, *hashes = entry.split("--hash=sha256:")
        spec, _, marker = requirement.partition(";")
        name, _, version = spec.partition("==")
        yield Pin(
            name=canonicalize_name(name.partition("[")[0].strip()),
            version=version.strip(),
            marker=Marker(marker.strip()) if marker.strip() else None,
            hashes=frozenset(digest.strip() for digest in hashes),
        )


def listed(text: str) -> list[Wheel]:
    """Read wheels.txt."""
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return [Wheel(filename=filename, sha256=sha256) for sha256, filename in lines]


def faults(locks: dict[str, str], wheels: list[Wheel]) -> list[str]:
    """Say what the locks promise and the list of wheels does not hold."""
    found = []
    for lock, text in locks.items():
        for pin in pins(text):
            ours = [
                wheel
                for wheel in wheels
                if wheel.name == pin.name and wheel.version == pin.version and wheel.sha256 in pin.hashes
            ]
            found += [
                f"{lock}: {pin.name} {pin.version} has no wheel for {target}"
                for target in TARGETS
                if pin.applies(target) and target.best(ours) is None
            ]
    return found


def chosen(pylock: str) -> list[Wheel]:
    """Take from a resolver's pylock.toml the wheel that each target would install."""
    kept: set[Wheel] = set()
    for package in tomllib.loads(pylock)["packages"]:
        offered = [
            Wheel(filename=unquote(wheel["url"].rpartition("/")[2]), sha256=wheel["hashes"]["sha256"])
            for wheel in package.get("wheels", ())
        ]
        kept.update(best for target in TARGETS if (best := target.best(offered)))
    return sorted(kept, key=lambda wheel: (wheel.name, wheel.filename))


def main(arguments: list[str]) -> int:
    """Write the list or check it; 1 when a wheel is missing."""
    if len(arguments) == 2 and arguments[0] == "write":
        wheels = chosen(Path(arguments[1]).read_text(encoding="utf-8"))
        lines = "".join(f"{wheel.sha256}  {wheel.filename}\n" for wheel in wheels)
        (ROOT / LIST).write_text(HEADER + lines, encoding="utf-8")
    elif arguments != ["check"]:
        sys.stderr.write("usage: wheels.py check | write PYLOCK_TOML\n")
        return 2
    locks = {name: (ROOT / name).read_text(encoding="utf-8") for name in LOCKS}
    wheels = listed((ROOT / LIST).read_text(encoding="utf-8"))
    missing = faults(locks, wheels)
    for fault in missing:
        sys.stderr.write(f"{fault}\n")
    if not missing:
        sys.stdout.write(f"{len(wheels)} wheels serve {len(TARGETS)} targets\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
