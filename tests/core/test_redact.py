import base64
import json
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.redact import CONFIGURED, Redactor, printable
from app.core.redact_rules import RULES

DATA = Path(__file__).parents[1] / "data/redaction"


def lines(name: str) -> list[str]:
    text = (DATA / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


SECRETS = [line.replace("~", "") for line in lines("secrets.txt")]
INNOCENT = lines("innocent.txt")
REDACTOR = Redactor()


def test_the_corpus_is_large_enough() -> None:
    assert len(SECRETS) >= 20
    assert len(INNOCENT) >= 40


@pytest.mark.parametrize("marked", SECRETS)
def test_a_secret_goes_and_the_rest_of_the_line_stays(marked: str) -> None:
    before, rest = marked.split("«")
    secret, after = rest.split("»")
    line = before + secret + after
    clean = REDACTOR.text(line)
    assert secret not in clean
    assert not any(part in clean for part in secret.split("=") if len(part) > 8), clean
    assert "[redacted:" in clean
    assert clean.startswith(before[:-1]), clean
    assert clean.endswith(after[-8:].lstrip("!&;.")), clean
    assert REDACTOR.findings(line)
    assert REDACTOR.text(clean) == clean


@pytest.mark.parametrize("line", INNOCENT)
def test_an_ordinary_line_stays(line: str) -> None:
    assert REDACTOR.text(line) == line
    assert REDACTOR.findings(line) == []


def test_a_whole_log_is_redacted_line_by_line() -> None:
    marked = [line for pair in zip(SECRETS, INNOCENT, strict=False) for line in pair]
    log = "\n".join(line.replace("«", "").replace("»", "") for line in marked)
    clean = REDACTOR.text(log)
    assert len(clean.splitlines()) == len(log.splitlines())
    for line in SECRETS:
        assert line.split("«")[1].split("»")[0] not in clean
    for line in INNOCENT[: len(SECRETS)]:
        assert line in clean


SECRET = 'p/ä ss"w+rd?&=1'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_configured_value_goes_in_every_encoding(form: str) -> None:
    redactor = Redactor([SECRET])
    assert redactor.text(f"a {form} b") == "a [redacted] b"
    assert CONFIGURED in redactor.findings(f"a {form} b")


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
@settings(max_examples=60, deadline=None)
def test_a_configured_value_goes_from_the_middle_of_base64(before: bytes, after: bytes) -> None:
    secret = "correct-horse-battery-staple"
    redactor = Redactor([secret])
    coded = base64.b64encode(before + secret.encode() + after).decode()
    clean = redactor.text(f"x {coded} y")
    assert "[redacted]" in clean
    assert not any(
        coded[i : i + 8] in clean for i in range(len(before) * 2 + 4, len(coded) - len(after) * 2 - 12)
    )


def test_the_longest_configured_value_goes_first() -> None:
    assert Redactor(["abcdef", "abcdefgh", "", "x"]).text("abcdefgh abcdef x") == "[redacted] [redacted] x"


def test_a_short_configured_value_is_left_to_the_rules() -> None:
    assert (
        Redactor(["pi"]).text("pi is a pie; DB_PASSWORD=pi31")
        == "pi is a pie; DB_PASSWORD=[redacted:key-value]"
    )


KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5v\nbmUAAAAEbm9uZQAAAAAAAAABAAAA\nMwAA\n"
)
END = "-----END OPENSSH PRIVATE" + " KEY-----"


def test_private_keys_go_whole_and_cut_at_either_end() -> None:
    assert REDACTOR.text(f"a\n{KEY}{END}\nb") == "a\n[redacted:private-key]\nb"
    assert REDACTOR.text(f"a\n{KEY}") == "a\n[redacted:private-key]\nMwAA\n"
    cut = KEY.split("\n", 2)[2]
    assert REDACTOR.text(f"{cut}{END}\nb") == "[redacted:private-key]\nb"
    assert REDACTOR.text(f"a plain line\n{cut}{END}\nb") == "a plain line\n[redacted:private-key]\nb"
    assert REDACTOR.findings(f"{cut}{END}") == ["private-key"]


def test_the_lines_of_a_configured_key_go_one_by_one() -> None:
    line = KEY.splitlines()[1]
    assert Redactor([KEY + END]).text(f"app: {line}") == "app: [redacted]"


def test_data_is_redacted_at_every_depth() -> None:
    redactor = Redactor(["s3cr3t-value"])
    given = {
        "a": ["x s3cr3t-value", ("s3cr3t-value", 1, None, True)],
        "s3cr3t-value": {"b": "DB_PASSWORD=hunter22"},
        "password": "plain",
        "api_key": "",
        "tokens": 12,
        "token": "none",
    }
    assert redactor.data(given) == {
        "a": ["x [redacted]", ("[redacted]", 1, None, True)],
        "[redacted]": {"b": "DB_PASSWORD=[redacted:key-value]"},
        "password": "[redacted:key-value]",
        "api_key": "",
        "tokens": 12,
        "token": "none",
    }


def test_a_redactor_shows_no_secret() -> None:
    assert "s3cr3t" not in repr(Redactor(["s3cr3t-value"]))


ADVERSARIAL = [
    "a" * 65536,
    "password" * 8192,
    "password=" * 7281,
    "token " * 10922,
    "secret:" * 9362,
    "api_key" + " " * 65529,
    "-" * 65536,
    ("-----BEGIN RSA PRIVATE" + " KEY-----\n") * 2048,
    ("-----BEGIN RSA PRIVATE" + " KEY-----\n") + "QUFB" * 16384,
    ("QUFBQUFBQUFBQUFBQUFB\n" * 3120) + "-----END",
    "://" * 21845,
    "://a:" * 13107,
    "https://" + "a" * 65528,
    "eyJ" * 21845,
    "eyJaaaaaaaaaaa." * 4369,
    "authorization: " * 4369,
    "authorization" + " " * 65000,
    "bearer " * 9362,
    "basic " * 10922,
    "cookie:" * 9362,
    "cookie: " + "a=" * 32000,
    "--token " * 8192,
    "--a-" * 16384,
    "--" + "a-" * 32767,
    "-u a:" * 13107,
    "sk-" * 21845,
    "gl" * 32768,
    "xoxb-" * 13107,
    "SG." * 21845,
    "$6$" * 21845,
    "1234567890:AA" * 5041,
    "\x1b]" * 32768,
    "\x1b[" * 32768,
    "is " * 21845,
    "pass=" * 13107,
]


@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: repr(text[:14]))
def test_hostile_text_of_64_kib_is_fast(text: str) -> None:
    started = time.process_time()
    REDACTOR.findings(text)
    REDACTOR.text(printable(text))
    assert time.process_time() - started < 1.5


def test_a_line_of_a_megabyte_is_fine() -> None:
    line = ("GET /a/b?c=d&token=none " + "password: required; key " * 3) * 11000
    started = time.process_time()
    assert REDACTOR.text(line) == line
    assert time.process_time() - started < 5


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_text_can_be_redacted_and_printed(text: str) -> None:
    shown = printable(REDACTOR.text(text))
    shown.encode()
    assert printable(shown) == shown
    assert all(c.isprintable() or c in "\n\t " or c.isspace() or ord(c) > 0xFF for c in shown)


def test_every_rule_has_a_name_that_is_safe_and_hints_in_lower_case() -> None:
    for rule in RULES:
        assert rule.name.replace("-", "").isalpha()
        assert rule.hints
        assert all(hint == hint.lower() for hint in rule.hints)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[31;1mred\x1b[0m and \x1b[2Kgone", "red and gone"),
        ("\x1b]0;a title\x07text \x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "text link"),
        ("\x9b31mred\x1b(B", "red"),
        ("nul\x00 bell\x07 back\x08 del\x7f c1\x81", "nul bell back del c1"),
        ("one\r\ntwo\rthree\x0bfour\u2028five\x85six", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("tab\tstays", "tab\tstays"),
        ("bidi\u202e\u2066\u200f x", "bidi x"),
        ("zero\u200b\u200d\ufeff\u2060width\xad", "zerowidth"),
        ("tags\U000e0041\U000e0142", "tags"),
        ("surrogate \ud800", "surrogate \ufffd"),
        ("äöü 漢字 🙂", "äöü 漢字 🙂"),
        ("ends in escape \x1b", "ends in escape "),
    ],
)
def test_printable_takes_out_what_tricks_a_reader(given: str, shown: str) -> None:
    assert printable(given) == shown


def test_printable_makes_one_line_where_asked() -> None:
    assert printable("a\r\nb\nc", keep_newlines=False) == "a b c"


def test_a_secret_that_is_learnt_later_is_taken_out_of_what_was_seen_before() -> None:
    redactor = Redactor()
    assert redactor.text("a late-0123456789") == "a late-0123456789"
    redactor.learn(["late-0123456789"])
    assert redactor.text("a late-0123456789") == "a [redacted]"
