"""Sign-up and the customer's page over plain HTTP, as a browser without JavaScript and as a script would use them."""

import re
import urllib.error
import urllib.parse
import urllib.request

import pytest

import foolscap_peer
import gbs
import s4
import tahoe

pytestmark = pytest.mark.s4_only


class Visitor:
    """Keeps cookies, follows redirects by hand, and remembers every answer."""

    def __init__(self, base):
        self.base, self.cookies = base, {}

    def open(self, path, form=None, headers=()):
        url = urllib.parse.urljoin(self.base, path)
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(url, data=data, headers=dict(headers))
        if self.cookies:
            request.add_header("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items()))
        if form is not None:
            request.add_header("Origin", self.base)
        opener = urllib.request.build_opener(NoRedirect)
        try:
            answer = opener.open(request, timeout=20)
        except urllib.error.HTTPError as e:
            answer = e
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers, answer.read().decode(errors="replace")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def hidden_fields(text):
    found = {}
    for tag in re.findall(r"<input[^>]*>", text):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes.get("type") == "hidden":
            found[attributes["name"]] = attributes.get("value", "")
    return found


def form_action(text):
    return re.search(r'<form[^>]*method="post"[^>]*action="([^"]+)"', text)[1]


def sign_up(visitor, email):
    """Through the form to the page of the new subscription: (its path, its Page)."""
    _, _, text = visitor.open("/sign-up")
    plan = re.search(r'name="plan" value="([^"]+)"', text)[1]
    status, headers, text = visitor.open(form_action(text), {**hidden_fields(text), "email": email, "plan": plan})
    assert status == 303, (status, text)
    path = urllib.parse.urlsplit(headers["Location"]).path
    _, _, text = visitor.open(path)
    status, headers, text = visitor.open(form_action(text), {**hidden_fields(text), "outcome": "paid"})
    assert status == 303, (status, text)
    page = urllib.parse.urlsplit(headers["Location"]).path

    def ready():
        status, headers, text = visitor.open(page)
        assert status in (200, 303), (status, text)
        shown = s4.Page(text, headers)
        return shown if "introducer-furl" in shown.ids else None
    return page, tahoe.wait_for("the grid to be ready", ready, 60)


def test_a_visitor_signs_up_and_gets_a_grid_that_works(server):
    visitor = Visitor(server.web_url())
    _, page = sign_up(visitor, "visitor@example.org")
    assert foolscap_peer.Furl(page.ids["introducer-furl"]).tub_id
    mine, si = gbs.Gbs.of(page.classes["nurl"][0].strip()), gbs.storage_index("visitor")
    assert mine.allocate(si, {0}, 4).cbor()["allocated"] == {0}
    assert mine.write(si, 0, 0, b"data").status == 201
    assert mine.read(si, 0).body == b"data"
    assert "visitor@example.org" in server.command("subscription", "list").stdout


def test_the_page_has_the_commands_and_the_space(server):
    visitor = Visitor(server.web_url())
    path, page = sign_up(visitor, "guide@example.org")
    assert "tahoe-lafs" in " ".join(page.commands("install"))
    create = " ".join(page.commands("create"))
    assert page.ids["introducer-furl"] in create
    for option in ("--shares-needed", "--shares-happy", "--shares-total"):
        assert re.search(option + r"[ =]1\b", create)
    assert "run" in " ".join(page.commands("run"))
    assert re.match(r"0\b", page.ids["used"])


def test_every_page_is_safe_against_scripts_frames_and_referrers(server):
    visitor = Visitor(server.web_url())
    path, _ = sign_up(visitor, "headers@example.org")
    for where in ("/", "/sign-up", path, "/no-such-page"):
        _, headers, text = visitor.open(where)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy or "default-src 'self'" in policy
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        for link in s4.Page(text, headers).links:
            assert not re.match(r"(https?:)?//", link) or link.startswith(server.web_url()), link
    _, headers, _ = visitor.open(path)
    assert "no-store" in headers["Cache-Control"]


def test_a_form_without_its_token_changes_nothing(server):
    visitor = Visitor(server.web_url())
    _, _, text = visitor.open("/sign-up")
    plan = re.search(r'name="plan" value="([^"]+)"', text)[1]
    stranger = Visitor(server.web_url())
    status, _, _ = stranger.open("/sign-up", {"email": "forged@example.org", "plan": plan})
    assert status in (400, 403)
    assert "forged@example.org" not in server.command("subscription", "list").stdout


@pytest.mark.parametrize("email", ["", "nonsense", "a@b@c", "x" * 300 + "@example.org", "<script>@example.org"])
def test_a_bad_address_is_shown_again_with_what_is_wrong(server, email):
    visitor = Visitor(server.web_url())
    _, _, text = visitor.open("/sign-up")
    plan = re.search(r'name="plan" value="([^"]+)"', text)[1]
    status, _, answer = visitor.open("/sign-up", {**hidden_fields(text), "email": email, "plan": plan})
    assert status in (400, 422), status
    assert "<script>@" not in answer
    assert 'role="alert"' in answer


def test_a_payment_that_fails_can_be_made_again(server):
    visitor = Visitor(server.web_url())
    _, _, text = visitor.open("/sign-up")
    plan = re.search(r'name="plan" value="([^"]+)"', text)[1]
    _, headers, _ = visitor.open("/sign-up", {**hidden_fields(text), "email": "declined@example.org", "plan": plan})
    path = urllib.parse.urlsplit(headers["Location"]).path
    _, _, text = visitor.open(path)
    pay = form_action(text)
    status, headers, text = visitor.open(pay, {**hidden_fields(text), "outcome": "declined"})
    if status == 303:
        status, _, text = visitor.open(urllib.parse.urlsplit(headers["Location"]).path)
    assert "did not go through" in text
    status, _, _ = visitor.open(form_action(text), {**hidden_fields(text), "outcome": "paid"})
    assert status == 303


def test_the_page_of_a_guessed_address_is_not_found(server):
    visitor = Visitor(server.web_url())
    path, _ = sign_up(visitor, "guess@example.org")
    for guess in (path[:-1], path + "a", path[:-1] + ("a" if path[-1] != "a" else "b"), path.upper()):
        assert visitor.open(guess)[0] == 404, guess


def test_cancelling_asks_first(server):
    visitor = Visitor(server.web_url())
    path, page = sign_up(visitor, "cancels@example.org")
    _, _, text = visitor.open(path + "/cancel")
    assert page.ids["state"] in visitor.open(path)[2]
    status, _, _ = visitor.open(form_action(text), hidden_fields(text))
    assert status == 303
    assert "ancelled" in s4.Page(visitor.open(path)[2], {}).ids["state"]


def test_signups_from_one_address_are_limited(fresh_server):
    fresh_server.start()
    visitor = Visitor(fresh_server.web_url())
    for i in range(200):
        _, _, text = visitor.open("/sign-up")
        plan = re.search(r'name="plan" value="([^"]+)"', text)[1]
        status, _, text = visitor.open("/sign-up", {**hidden_fields(text), "email": f"many{i}@example.org", "plan": plan})
        if status == 429:
            assert i >= 3
            return
        assert status == 303
    raise AssertionError("200 sign-ups from one address were taken")
