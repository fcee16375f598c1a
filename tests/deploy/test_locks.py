import re
from pathlib import Path

import pytest
import wheels

ROOT = Path(__file__).parents[2]
RUN, DEV = wheels.LOCKS
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in wheels.LOCKS}


@pytest.mark.parametrize("name", wheels.LOCKS)
def test_lock_pins_every_package_with_its_hashes_and_names_no_place(name: str) -> None:
    pins = list(wheels.pins(TEXTS[name]))

    assert len(pins) > 50
    for pin in pins:
        assert re.fullmatch(r"[0-9][0-9a-z.]*", pin.version), pin
        assert pin.hashes, pin
        assert all(re.fullmatch("[0-9a-f]{64}", each) for each in pin.hashes), pin
    assert not re.search(r"://|^\s*(-i|-f|--(extra-)?index-url|--find-links|-e)\b", TEXTS[name], re.MULTILINE)


def test_development_lock_adds_to_the_run_lock_and_changes_nothing() -> None:
    run = {pin.name: (pin.version, pin.hashes) for pin in wheels.pins(TEXTS[RUN])}
    development = {pin.name: (pin.version, pin.hashes) for pin in wheels.pins(TEXTS[DEV])}

    assert run.items() <= development.items()


def test_every_package_has_a_wheel_for_each_python_and_machine() -> None:
    listed = wheels.listed((ROOT / wheels.LIST).read_text(encoding="utf-8"))

    assert wheels.faults(TEXTS, listed) == []


def test_a_missing_wheel_for_arm_is_found() -> None:
    listed = wheels.listed((ROOT / wheels.LIST).read_text(encoding="utf-8"))
    kept = [each for each in listed if not (each.name == "pygit2" and "aarch64" in each.filename)]

    found = wheels.faults({RUN: TEXTS[RUN]}, kept)

    assert len(found) == len(wheels.PYTHONS)
    assert all(re.search(r"pygit2 \S+ has no wheel for CPython 3\.1[123] on aarch64", each) for each in found)


def test_a_wheel_whose_hash_is_not_in_the_lock_does_not_count() -> None:
    pin = f"demo==1.0 \\\n    --hash=sha256:{'a' * 64}\n"
    right = wheels.Wheel(filename="demo-1.0-py3-none-any.whl", sha256="a" * 64)
    wrong = wheels.Wheel(filename="demo-1.0-py3-none-any.whl", sha256="b" * 64)

    assert wheels.faults({RUN: pin}, [right]) == []
    assert len(wheels.faults({RUN: pin}, [wrong])) == len(wheels.TARGETS)


def test_a_package_for_another_system_needs_no_wheel() -> None:
    pin = f"demo==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:{'a' * 64}\n"

    assert wheels.faults({RUN: pin}, []) == []


def test_the_wheel_that_an_installer_would_take_is_chosen() -> None:
    files = [
        ("demo-1.0-cp311-cp311-manylinux_2_17_aarch64.whl", "a"),
        ("demo-1.0-cp311-cp311-manylinux_2_34_aarch64.whl", "b"),
        ("demo-1.0-cp39-abi3-manylinux_2_17_aarch64.whl", "c"),
        ("demo-1.0-cp311-cp311-musllinux_1_2_aarch64.whl", "d"),
        ("demo-1.0-py3-none-manylinux1_x86_64.whl", "e"),
    ]
    entries = ", ".join(
        f'{{ url = "https://host.invalid/{name}", hashes = {{ sha256 = "{digit * 64}" }} }}'
        for name, digit in files
    )

    chosen = wheels.chosen(f'[[packages]]\nname = "demo"\nwheels = [{entries}]\n')

    assert [wheel.sha256[0] for wheel in chosen] == ["a", "c", "e"]
