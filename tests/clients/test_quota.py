"""A quota of 10 MB, with a real client: what it sees, how it ends, and how the customer gets space back."""

import datetime
import json
import re
import urllib.parse

import pytest

import s4
import tahoe
from conftest import Customer
from test_pages import Visitor, hidden_fields

pytestmark = pytest.mark.s4_only

DAY = 24 * 3600
MEGABYTE = 1_000_000
PLAN = {"id": "tiny", "name": "Tiny", "quota_bytes": 10 * MEGABYTE, "price_cents": 100, "currency": "EUR", "period": "month",
        "trial_days": 0}


@pytest.fixture
def tiny(tmp_path):
    """A customer of the 10 MB plan, on a server of its own."""
    plans = tmp_path / "plans.json"
    plans.write_text(json.dumps([PLAN]))
    server = s4.Server(tmp_path / "state", "--plans", plans).start()
    customer = Customer(server, tmp_path, "tiny")
    yield customer
    customer.client.stop()
    server.close()


def available(client):
    """What the client's welcome page shows as available on its one server."""
    return client.status()["servers"][0]["available_space"]


def move_clock(customer, seconds):
    server = customer.server
    assert server.stop() == 0
    server.environment = {"S4_TEST_CLOCK_OFFSET_S": str(seconds)}
    server.start()
    customer.client.wait_connected()


def collect(server, *flags, check=True):
    return json.loads(server.command("storage", "collect", "--json", *flags, check=check).stdout)


def usage(server):
    return json.loads(server.command("storage", "status", "1", "--json").stdout)[0]


def child(directory, name):
    return f"uri/{urllib.parse.quote(directory, safe='')}/{name}"


def fill(client, directory):
    """Stores files of a megabyte until one is refused; returns their names."""
    names = []
    for number in range(11):
        try:
            client.request("PUT", child(directory, f"file-{number}"), bytes([number]) * MEGABYTE)
        except tahoe.Failure:
            return names
        names.append(f"file-{number}")
    raise AssertionError("11 MB went into a quota of 10 MB")


def ask_to_free(customer, day):
    """The customer's way through their page, without scripts; returns what the dry run says."""
    visitor = Visitor(customer.server.web_url())
    page = urllib.parse.urlsplit(customer.server.page_url(customer.grid)).path
    status, _, text = visitor.open(page + "/storage")
    assert status == 200 and 'type="date"' in text
    status, _, text = visitor.open(f"{page}/storage/free?since={day.isoformat()}")
    assert status == 200
    said = re.search(r'id="estimate">([^<]*)<', text)[1]
    status, headers, _ = visitor.open(page + "/storage/free", form=hidden_fields(text))
    assert (status, headers["Location"]) == (303, page + "/storage")
    _, _, text = visitor.open(page + "/storage")
    assert 'id="once"' in text and 'type="date"' not in text
    return said


def test_a_full_grid_stops_cleanly_and_gets_its_space_back_after_two_passes(tiny):
    client, server = tiny.client, tiny.server
    directory = client.request("POST", "uri?t=mkdir").decode()
    assert 9.9 * MEGABYTE < available(client) <= 10 * MEGABYTE

    names = fill(client, directory)
    assert len(names) == 9
    used = usage(server)["used_bytes"]
    assert used <= 10 * MEGABYTE
    tahoe.wait_for("the welcome page to show what is left", lambda: available(client) == 10 * MEGABYTE - used)
    assert client.get(child(directory, names[0])) == bytes([0]) * MEGABYTE
    page = server.page(tiny.grid)
    assert "is, nothing new can be stored" in page.text
    tahoe.wait_for("a warning in the log", lambda: '"percent":80' in server.log() or '"percent":95' in server.log())

    # A directory shrinks or keeps its size in a full grid too; what is unlinked still counts.
    for name in names[3:]:
        client.request("DELETE", child(directory, name))
    gone = client.get(child(directory, names[0]))
    assert gone and usage(server)["used_bytes"] >= 9 * MEGABYTE

    # 32 days later the clock has jumped: nothing is collected until the operator says that it is right.
    move_clock(tiny, 32 * DAY)
    client.cli("deep-check", "--add-lease", directory)
    today = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=32)
    said = ask_to_free(tiny, today)
    assert said.startswith("6 shares (6")
    refused = collect(server, check=False)
    assert refused["freed"] == refused["marked"] == 0 and "ahead" in refused["clock_problem"]
    assert collect(server, "--confirm-clock")["marked"] == 6
    assert collect(server)["freed"] == 0
    order = collect(server, "--dry-run", "1")["dry_run"][0]
    assert (order["kind"], order["asked_by"], order["shares"]) == ("once", "customer", 6)

    # A day and two hours later, the second pass.
    move_clock(tiny, 33 * DAY + 2 * 3600)
    assert collect(server)["freed"] == 6
    left = usage(server)
    assert left["used_bytes"] < 4 * MEGABYTE and left["immutable"]["shares"] == 3
    tahoe.wait_for("the welcome page to show the space", lambda: available(client) == 10 * MEGABYTE - left["used_bytes"])
    for name in names[:3]:
        assert client.get(child(directory, name)) == bytes([int(name[-1])]) * MEGABYTE
    client.request("PUT", child(directory, "again"), b"n" * MEGABYTE)
    assert client.get(child(directory, "again")) == b"n" * MEGABYTE
    visitor = Visitor(server.web_url())
    _, _, text = visitor.open(urllib.parse.urlsplit(server.page_url(tiny.grid)).path + "/storage")
    assert re.search(r"<td>customer</td><td>[^<]*</td><td>6</td>", text)
