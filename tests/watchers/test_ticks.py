"""Ticks through every trick of calendars and clocks, by a clock that the test holds."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchers import ticks

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "UTC",
]
HALF_PAST_TWO = time(2, 30)


def local(
    day: date, *, scan_at: time = HALF_PAST_TWO, zone: ZoneInfo = BERLIN, project: str = "greeter"
) -> datetime:
    """When the tick of that day is due, in local time."""
    return ticks.tick_at(project, day, scan_at=scan_at, zone=zone).astimezone(zone)


def base(day: date, *, zone: ZoneInfo, scan_at: time = HALF_PAST_TWO) -> datetime:
    """The earliest tick of many projects: the time before the spread."""
    moments = (ticks.tick_at(f"p{n}", day, scan_at=scan_at, zone=zone) for n in range(400))
    return min(moments).astimezone(zone)


class Watcher:
    """What `watchers.main` does, with the clock in hand."""

    def __init__(
        self, started: datetime, *, zone: ZoneInfo = BERLIN, projects: tuple[str, ...] = ("greeter",)
    ) -> None:
        self.zone = zone
        self.sent = ticks.at_start(projects, started, zone=zone)

    def look(self, now: datetime) -> list[str]:
        found = ticks.due(self.sent, now, scan_at=HALF_PAST_TWO, zone=self.zone)
        for tick, day in found:
            self.sent[tick.project] = ticks.remember(self.sent[tick.project], day)
        return [tick.id for tick, _ in found]


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        (BERLIN, date(2025, 3, 30), time(3, 0)),  # 02:00 to 03:00 does not exist
        (NEW_YORK, date(2025, 3, 9), time(3, 0)),
        (LORD_HOWE, date(2025, 10, 5), time(2, 30)),  # a leap of half an hour: 02:00 to 02:30
    ],
)
def test_in_the_gap_the_tick_comes_right_after_it(zone: ZoneInfo, day: date, first: time) -> None:
    earliest = base(day, zone=zone)
    assert earliest.date() == day
    assert timedelta(0) <= earliest - datetime.combine(day, first, zone) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("zone", "day", "scan_at"),
    [
        (BERLIN, date(2025, 10, 26), time(2, 30)),
        (NEW_YORK, date(2025, 11, 2), time(1, 30)),
        (LORD_HOWE, date(2025, 4, 6), time(1, 45)),
    ],
)
def test_in_the_hour_that_comes_twice_the_first_counts(zone: ZoneInfo, day: date, scan_at: time) -> None:
    earliest = base(day, zone=zone, scan_at=scan_at).astimezone(UTC)
    first = datetime.combine(day, scan_at, zone).replace(fold=0).astimezone(UTC)
    assert timedelta(0) <= earliest - first < timedelta(minutes=1)


@given(
    name=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    day=st.dates(date(2012, 1, 1), date(2040, 1, 1)),
    scan_at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
@settings(max_examples=300, deadline=None)
def test_a_tick_is_within_its_own_day_and_an_hour_of_its_time(
    name: str, zone: ZoneInfo, day: date, scan_at: time
) -> None:
    moment = ticks.tick_at(name, day, scan_at=scan_at, zone=zone)
    assert moment.astimezone(zone).date() == day
    wanted = datetime.combine(day, scan_at, zone).astimezone(UTC)
    assert timedelta(0) <= moment - wanted < ticks.SPREAD + timedelta(hours=1)  # at most a gap later


def test_projects_are_spread_and_each_keeps_its_place() -> None:
    day = date(2025, 11, 24)
    places = [local(day, project=f"p{n}") - datetime.combine(day, HALF_PAST_TWO, BERLIN) for n in range(60)]
    assert len(set(places)) > 50
    assert max(places) - min(places) > timedelta(minutes=40)
    following = [
        local(date(2025, 11, 25), project=f"p{n}")
        - datetime.combine(date(2025, 11, 25), HALF_PAST_TWO, BERLIN)
        for n in range(60)
    ]
    assert following == places


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", [2025, 2026])
def test_every_day_of_a_year_has_one_tick(zone: str, year: int) -> None:
    now = datetime(year, 1, 1, tzinfo=UTC)
    watcher = Watcher(now, zone=ZoneInfo(zone))
    seen: list[str] = []
    while now < datetime(year, 12, 31, tzinfo=UTC):
        seen += watcher.look(now)
        now = ticks.following(["greeter"], now, scan_at=HALF_PAST_TWO, zone=ZoneInfo(zone))
    assert len(seen) == len(set(seen))
    days = [date.fromisoformat(each.removeprefix("greeter:")) for each in seen]
    assert all(later - earlier == timedelta(days=1) for earlier, later in itertools.pairwise(days))
    assert len(days) >= 363


def test_started_after_the_time_it_catches_up_and_before_it_waits() -> None:
    morning = datetime(2025, 11, 24, 9, 0, tzinfo=BERLIN)
    assert Watcher(morning).look(morning) == ["greeter:2025-11-24"]
    night = datetime(2025, 11, 24, 1, 0, tzinfo=BERLIN)
    assert Watcher(night).look(night) == []


def test_two_watchers_and_a_restart_name_the_same_tick() -> None:
    now = datetime(2025, 11, 24, 9, 0, tzinfo=BERLIN)
    assert Watcher(now).look(now) == Watcher(now + timedelta(hours=3)).look(now + timedelta(hours=3))


def test_a_clock_set_a_day_back_repeats_no_day() -> None:
    now = datetime(2025, 11, 24, 9, 0, tzinfo=BERLIN)
    watcher = Watcher(now)
    seen = [each for day in (0, -1, 0, 1) for each in watcher.look(now + timedelta(days=day))]
    assert seen == ["greeter:2025-11-24", "greeter:2025-11-25"]


def test_a_clock_set_a_day_ahead_and_back_leaves_no_day_out() -> None:
    now = datetime(2025, 11, 24, 1, 0, tzinfo=BERLIN)
    watcher = Watcher(now)
    ahead, back = now + timedelta(days=1, hours=8), now + timedelta(hours=8)
    assert watcher.look(ahead) == ["greeter:2025-11-25"]
    assert watcher.look(back) == ["greeter:2025-11-24"]
    assert watcher.look(ahead) == []


def test_a_host_that_boots_in_the_past_ticks_once_its_clock_is_right() -> None:
    watcher = Watcher(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    assert watcher.look(datetime(2025, 11, 24, 9, 0, tzinfo=BERLIN)) == ["greeter:2025-11-24"]


def test_what_was_not_sent_stays_due_until_the_next_day() -> None:
    watcher = Watcher(datetime(2025, 11, 24, 1, 0, tzinfo=BERLIN))
    for hour in (4, 12, 23, 25):
        now = datetime(2025, 11, 24, tzinfo=BERLIN) + timedelta(hours=hour)
        found = ticks.due(watcher.sent, now, scan_at=HALF_PAST_TWO, zone=BERLIN)
        assert [tick.id for tick, _ in found] == ["greeter:2025-11-24"]


def test_following_is_always_ahead() -> None:
    for zone in map(ZoneInfo, ZONES):
        now = datetime(2025, 3, 29, 0, 0, tzinfo=UTC)
        for _ in range(72):
            assert (
                now
                < ticks.following(["a"], now, scan_at=HALF_PAST_TWO, zone=zone)
                <= now + timedelta(hours=26)
            )
            now += timedelta(hours=1)


def test_the_local_zone_is_tz_then_localtime_then_utc(tmp_path: Path) -> None:
    assert ticks.local_zone(tz=":Europe/Berlin").key == "Europe/Berlin"
    missing = tmp_path / "localtime"
    assert ticks.local_zone(tz="", localtime=missing).key == "UTC"
    assert ticks.local_zone(tz="CET-1CEST,M3.5.0", localtime=missing).key == "UTC"
    berlin = Path("/usr/share/zoneinfo/Europe/Berlin")
    zone = ticks.local_zone(tz="", localtime=berlin)
    assert datetime(2025, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=2)
