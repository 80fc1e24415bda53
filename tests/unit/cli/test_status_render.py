"""The report of status in all its forms: table, JSON, JUnit, Prometheus, page."""

from __future__ import annotations

import io
import json
import math
from datetime import datetime, timezone
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from certkit.cli.render.junit import junit
from certkit.cli.render.page import page
from certkit.cli.render.prometheus import exposition
from certkit.cli.render.standing import show_standing, standing_line
from certkit.cli.render.whole import refuse_place, write_whole
from certkit.errors import ErrorKind, ExitCode, InputError
from certkit.fleet.drift.findings import KINDS, Finding, Trusted
from certkit.fleet.report import (
    BundleEntry,
    FleetReport,
    HostResult,
    Outcome,
    Problem,
    RuntimeResult,
    Standing,
)

SCHEMA = json.loads(files("certkit").joinpath("schemas/fleet.schema.json").read_text("utf-8"))
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
MISSING = Finding("missing", "/p/ca.crt", "/p/ca.crt is missing", "certkit distribute")
EVIL = "<script>alert(1)</script>\x1b[31m\u202e'\"&"


def host(name: str, *found: Finding, **more: Any) -> HostResult:
    trusted = Trusted("0" * 64, "CN=a", "2036-01-01T00:00:00Z", "/p/ca.crt")
    standing = Standing((trusted,), found, True, 3, True, False, 10**9)
    drift = any(one.attention for one in found)
    return HostResult(
        name,
        "10.0.0.1",
        Outcome.WOULD_CHANGE if drift else Outcome.UNCHANGED,
        0.3,
        (RuntimeResult("docker", "26.1.5", standing=standing),),
        **{"clock": 0.4, **more},
    )


def dead(name: str) -> HostResult:
    error = Problem(ErrorKind.TIMEOUT, "did not answer", "look at it")
    return HostResult(name, "10.0.0.9", Outcome.UNREACHABLE, 5.0, (), error)


def report(*hosts: HostResult) -> FleetReport:
    entry = BundleEntry("a" * 64, "CN=authority", "2036-05-29T00:00:00Z")
    leaf = BundleEntry("b" * 64, "CN=leaf", "2026-06-20T00:00:00Z")
    return FleetReport("status", "registry.lab:5000", True, (entry,), list(hosts), server=leaf)


FLEET = report(
    host("ok-1"),
    host("ok-2"),
    host("web-01", MISSING),
    host("web-02", MISSING, Finding("ignored_file", "/p/x", "/p/x is read by no client")),
    dead("gone"),
    host(EVIL, Finding("foreign", EVIL, EVIL, EVIL)),
)


def shown(what: FleetReport, width: int = 110) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, markup=False)
    show_standing(console, what, ("certkit status",), NOW)
    return out.getvalue()


def test_the_table_begins_with_what_needs_attention() -> None:
    text = shown(FLEET)
    assert text.index("gone") < text.index("web-[01-02]") < text.index("ok-[1-2]")
    assert text.count("missing: web-[01-02]: /p/ca.crt is missing\n  certkit distribute\n") == 1
    assert "note: web-02: /p/x is read by no client" in text
    assert "gone: did not answer\n  look at it" in text
    assert "certificate CN=leaf ends in 19 days" in text
    assert "docker 26.1.5, 3 containers, live-restore, trusts 000000000000" in shown(FLEET, 200)
    assert "authority aaaaaaaaaaaa CN=authority ends in 3650 days" in text
    assert "least room for trust: 1.0 GB on " in text and "clock most off: +0 s on " in text
    assert "6 hosts: 2 ok, 3 drift, 1 unreachable" in standing_line(FLEET)
    assert "\x1b" not in text and "\u202e" not in text
    assert "web-[01-02]: drift" in shown(FLEET, 40)


def test_exit_codes() -> None:
    assert report(host("a")).exit_code is ExitCode.DONE
    assert report(host("a", MISSING)).exit_code is ExitCode.ATTENTION
    assert report(host("a", MISSING), dead("b")).exit_code is ExitCode.FAILED


def test_json_fits_the_schema_with_every_kind() -> None:
    every = host("all", *(Finding(kind, "", "m") for kind in KINDS), findings=(MISSING,))
    nothing = every.runtimes[0]._replace(standing=Standing())
    document = report(*FLEET.hosts, every, every._replace(runtimes=(nothing,))).to_json()
    validator = Draft202012Validator(SCHEMA)
    validator.validate(document)
    assert document["server"]["subject"] == "CN=leaf"
    [told] = document["hosts"][2]["runtimes"][0]["standing"]["findings"]
    assert told["kind"] == "missing" and told["attention"] is True
    document["hosts"][2]["runtimes"][0]["standing"]["findings"][0]["kind"] = "other"
    assert not validator.is_valid(document)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_in_the_table_and_on_the_page(kind: str) -> None:
    what = report(host("web-01", Finding(kind, "/p", "something is so", "a cure")))
    text = shown(what)
    if what.exit_code is ExitCode.DONE:
        assert "note: web-01: something is so" in text
        return
    assert f"{kind}: web-01: something is so\n  a cure\n" in text
    page_text = read(what).text
    assert page_text.count(kind) >= 2 and "something is so" in page_text and "a cure" in page_text


def test_drift_fails_in_junit() -> None:
    root = ElementTree.fromstring(junit(FLEET).encode())
    assert (root.get("failures"), root.get("errors")) == ("3", "1")
    failures = [one.get("type") for one in root.iter("failure")]
    assert failures == ["missing", "missing", "foreign"]


def test_figures_are_strictly_what_prometheus_reads() -> None:
    text = exposition(FLEET, NOW)
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert text.endswith("\n") and "\r" not in text
    assert all(one.type == "gauge" and one.documentation for one in families.values())
    seen = set()
    for family in families.values():
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in seen, "a collector refuses a sample that stands twice"
            seen.add(key)
            assert math.isfinite(sample.value)
            assert sample.labels["registry"] == "registry.lab:5000"

    def values(name: str, label: str) -> dict[str, float]:
        return {one.labels[label]: one.value for one in families[name].samples}

    assert values("certkit_authority_days_left", "sha256") == {"a" * 64: 3650}
    assert values("certkit_server_days_left", "sha256") == {"b" * 64: 19}
    states = values("certkit_hosts", "state")
    assert states == {"ok": 2, "drift": 3, "failed": 0, "unreachable": 1, "skipped": 0}
    assert values("certkit_host_up", "host")["gone"] == 0
    assert values("certkit_host_findings", "host")["web-02"] == 1
    assert "gone" not in values("certkit_host_findings", "host")
    [last] = families["certkit_last_run_timestamp_seconds"].samples
    assert last.value == NOW.timestamp()


class Reader(HTMLParser):
    """Collects what a browser would act on, and checks that elements nest."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(what: FleetReport) -> Reader:
    reader = Reader()
    reader.feed(page(what, NOW))
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_stands_alone_and_runs_nothing() -> None:
    reader = read(FLEET)
    assert "script" not in reader.tags and reader.outside == []
    assert "url(" not in page(FLEET, NOW) and "@import" not in page(FLEET, NOW)
    assert "<script>alert(1)</script>" in reader.text
    assert "\x1b" not in reader.text and "\u202e" not in reader.text


def test_the_page_says_in_words_what_it_shows_in_colour() -> None:
    text = read(FLEET).text
    assert text.index("gone") < text.index("web-[01-02]") < text.index("All hosts")
    for words in (
        *("! drift", "✓ ok", "✗ unreachable", "soon: ", "in 19 days", "in 3650 days"),
        *("trusts 000000000000", "CN=authority, aaaaaaaaaaaa", "least room", "clock most off"),
    ):
        assert words in text
    assert "Nothing. Every host trusts what it should" in read(report(host("a"))).text
    assert "0 hosts" in read(report()).text


@pytest.mark.parametrize("end", ["2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"])
def test_what_has_expired_is_on_the_page(end: str) -> None:
    what = report(host("a"))
    what.bundle = ()
    what.server = BundleEntry("b" * 64, "CN=leaf", end)
    assert ("ended 31 days ago" in read(what).text) or ("in 0 days" in read(what).text)


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "certkit.prom"
    write_whole(target, "one\n")
    write_whole(target, "two\n")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("two\n", 0o644)
    assert list(tmp_path.iterdir()) == [target]
    directory = tmp_path / "taken"
    (directory / "x").mkdir(parents=True)
    with pytest.raises(OSError):
        write_whole(directory, "three\n")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["certkit.prom", "taken"]


def test_what_is_no_place_for_a_file_is_refused_before_the_fleet_is_asked(tmp_path: Path) -> None:
    """As root, a rename would take the place of /dev/null too."""
    (tmp_path / "page.html").write_text("old")
    (tmp_path / "link.html").symlink_to("page.html")
    for path in (tmp_path / "page.html", tmp_path / "new.html"):
        refuse_place(path)
    for path in (tmp_path, Path("/"), Path("/dev/null"), tmp_path / "link.html"):
        with pytest.raises(InputError, match="no plain file"):
            refuse_place(path)
    for path in (tmp_path / "none" / "x", tmp_path / "page.html" / "x"):
        with pytest.raises(InputError, match="no directory that may be written"):
            refuse_place(path)
