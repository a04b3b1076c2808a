"""Sign-up as people do it: wide and narrow, with and without JavaScript, and by the keyboard alone."""

import re

import pytest

import browser
import gbs

pytestmark = pytest.mark.s4_only


@pytest.fixture(scope="module", params=[browser.NARROW, browser.WIDE_WITHOUT_SCRIPTS, browser.KEYBOARD], ids=lambda s: s.name)
def another(request, server):
    return browser.visit(server, f"{request.param.name}@example.org", request.param)


@pytest.fixture(params=["alice", "bob"])
def customers(request):
    return request.getfixturevalue(request.param).visit


def check(seen):
    assert seen["complaints"] == [] and seen["foreign"] == []
    assert [f for f in seen["failed"] if not f.startswith(("400", "422"))] == []
    assert [s["name"] for s in seen["steps"]] == ["1-landing", "2-sign-up", "3-refused", "4-payment", "5-grid"]
    for step in seen["steps"]:
        assert step["headings"] == 1, step
        assert step["wider"] <= 0, f"the page is wider than the screen: {step}"
        assert step["unlabelled"] == [], step
        assert step["language"] == "en" and step["title"], step


def test_the_customers_visits_were_flawless(customers):
    check(customers)


def test_other_ways_to_sign_up_are_flawless(another):
    check(another)


def test_the_grid_that_the_browser_shows_is_alive(another):
    assert gbs.Gbs.of(another["nurls"][0]).version().status == 200


def test_the_copy_button_copies_the_command(another):
    if "copied" in another:
        assert another["copied"].strip() == another["first_command"].strip()


def test_the_pages_address_cannot_be_guessed(customers):
    secret = customers["path"].rstrip("/").rsplit("/", 1)[1]
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", secret)
