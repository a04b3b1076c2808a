"""One S4, two customers who signed up in a browser, each with a real client made from their own page, and one for each
release of Tahoe-LAFS and protocol. Tests that stop or break a server use one of
their own (`fresh_server`), but for those of survival, which run on the shared one and leave it running."""

import os

import pytest

import browser
import customer
import drills
import reference
import s4
import tahoe

# Every release in use, over what it speaks. The first is what a page makes.
KINDS = [("1.20.0", "gbs"), ("1.20.0", "foolscap"), ("1.19.0", "gbs"), ("1.19.0", "foolscap"), ("1.18.0", "foolscap"),
         ("1.17.1", "foolscap")]
STAND_IN = os.environ.get("S4_TEST_SERVER") == "tahoe"


def pytest_configure(config):
    config.addinivalue_line("markers", "s4_only: needs what Tahoe's own server does not have")
    if not STAND_IN and not s4.BINARY.exists():
        pytest.exit(f"there is no program at {s4.BINARY}; build it with ./dev build, or give S4_BIN", 2)


def pytest_collection_modifyitems(config, items):
    if STAND_IN:
        config.hook.pytest_deselected(items=[i for i in items if i.get_closest_marker("s4_only")])
        items[:] = [i for i in items if not i.get_closest_marker("s4_only")]


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("clients")


def make_server(path, *flags):
    return reference.Server(path) if STAND_IN else s4.Server(path, *flags)


@pytest.fixture(scope="session")
def server(workdir):
    server = make_server(workdir / "state").start()
    yield server
    server.close()


@pytest.fixture
def fresh_server(tmp_path):
    """A server of the test's own, not yet started."""
    server = make_server(tmp_path / "state")
    yield server
    server.close()


def make_client(server, grid, home):
    if grid.page is None:
        return tahoe.Node.create_client(home, grid.introducer_furl)
    return customer.Computer(home).follow(server.page(grid))


def plain_client(grid, home, release, transport):
    """A client of a grid that was not made by its page, not yet started."""
    node = tahoe.Node.create_client(home, grid.introducer_furl, release)
    if transport == "foolscap" and release.speaks_gbs:
        node.set_config("client", "force_foolscap", "true")
    return node


class Customer:
    """A grid and its client, connected."""

    def __init__(self, server, workdir, name, setting=None, release=tahoe.RELEASE, transport="gbs"):
        self.server = server
        self.transport = transport
        if setting is None or STAND_IN:
            self.grid = server.create_subscription(f"{name}@example.org")
        else:
            self.visit = browser.visit(server, f"{name}@example.org", setting)
            self.grid = browser.grid_of(self.visit)
        if (release.version, transport) == KINDS[0]:
            self.client = make_client(server, self.grid, workdir / name)
        else:
            self.client = plain_client(self.grid, workdir / name, release, transport)
        self.client.start().wait_connected()


@pytest.fixture(scope="session")
def alice(server, workdir):
    customer = Customer(server, workdir, "alice", browser.WIDE)
    yield customer
    customer.client.stop()


@pytest.fixture(scope="session", params=KINDS, ids="-".join)
def anyone(request, server, workdir):
    """A customer with each release of Tahoe-LAFS over each of its protocols, one after the other."""
    version, transport = request.param
    if request.param == KINDS[0]:
        yield request.getfixturevalue("alice")
        return
    customer = Customer(server, workdir, f"{transport}-{version}", release=tahoe.Release(version), transport=transport)
    yield customer
    customer.client.stop()


@pytest.fixture(scope="session")
def bob(server, workdir):
    customer = Customer(server, workdir, "bob", browser.NARROW_WITHOUT_SCRIPTS)
    yield customer
    customer.client.stop()


@pytest.fixture(scope="session")
def interrupted_upload(request, server, workdir):
    """A client killed in the middle of an upload early in the run, so that the test of it need not wait long."""
    drill = drills.InterruptedUpload(Customer(server, workdir, "carol"))
    yield drill
    drill.customer.client.stop()


@pytest.fixture(scope="session", autouse=True)
def begin_early(request):
    """Starts what takes its time when a test that needs it was selected."""
    if any("interrupted_upload" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("interrupted_upload")
