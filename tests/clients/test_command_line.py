"""The program as an operator's script meets it: what it prints, where it stops, and that it says why in one sentence."""

import json
import os
import socket
import stat
import urllib.error
import urllib.request

import pytest

import gbs
import s4

pytestmark = pytest.mark.s4_only


def refusal(done):
    """The one sentence of a call that was refused."""
    assert done.returncode not in (0, 139, 134, -6, -11), (done.returncode, done.stdout, done.stderr)
    lines = [l for l in done.stderr.splitlines() if l.strip() and not l.startswith("{")]
    assert len(lines) == 1, f"one sentence, not {lines}"
    return lines[0]


def serve(state, *flags, **kwargs):
    return s4.run("serve", "--state", state, "--web", "127.0.0.1:0", "--gate", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                  *flags, check=False, **kwargs)


def test_help_names_every_command():
    text = s4.run("--help").stdout
    for word in ("serve", "subscription", "backup", "restore"):
        assert word in text
    text = s4.run("subscription", "--help").stdout
    for word in ("list", "show", "create", "link", "cancel"):
        assert word in text
    text = s4.run("serve", "--help").stdout
    for word in ("--gate", "--gate-public", "--web", "--admin", "--state", "--signup", "--config"):
        assert word in text


def test_an_unknown_command_is_refused():
    assert "--help" in refusal(s4.run("frobnicate", check=False))


def test_create_prints_what_scripts_need(server):
    made = json.loads(server.command("subscription", "create", "--email", "script@example.org", "--json").stdout)
    assert made["subscription"]
    assert made["introducer_furl"].startswith("pb://") and made["storage_furl"].startswith("pb://")
    assert all(gbs.Nurl.parse(n) for n in made["nurls"]) and made["nurls"]
    assert made["page"]


def test_list_and_show_tell_of_a_subscription(server):
    grid = server.create_subscription("listed@example.org")
    assert "listed@example.org" in server.command("subscription", "list").stdout
    shown = server.command("subscription", "show", grid.subscription).stdout
    assert "listed@example.org" in shown
    assert "active" in shown
    assert "64 connections, 64 requests at a time, 256 unfinished uploads, 50 MB a second" in shown


def test_link_makes_a_new_page_and_ends_the_old_one(server):
    grid = server.create_subscription("link@example.org")
    assert server.page(grid).ids["introducer-furl"] == grid.introducer_furl
    out = server.command("subscription", "link", grid.subscription, "--json").stdout
    fresh = s4.Grid(grid.introducer_furl, grid.storage_furl, grid.nurls, json.loads(out)["page"], grid.subscription)
    assert fresh.page != grid.page
    assert server.page(fresh).ids["introducer-furl"] == grid.introducer_furl
    with pytest.raises(urllib.error.HTTPError) as gone:
        server.page(grid)
    assert gone.value.code == 404


def test_cancel_leaves_reading_and_ends_writing(server):
    grid = server.create_subscription("cancel@example.org")
    mine, si = gbs.Gbs.of(grid.nurls[0]), gbs.storage_index("cancelled")
    mine.allocate(si, {0}, 4)
    assert mine.write(si, 0, 0, b"kept").status == 201
    server.command("subscription", "cancel", grid.subscription)
    assert "cancelled" in server.command("subscription", "show", grid.subscription).stdout
    assert mine.read(si, 0).body == b"kept"
    assert mine.allocate(gbs.storage_index("refused"), {0}, 4).cbor()["allocated"] == set()
    answer = mine.read_test_write(gbs.storage_index("refused too"), {0: gbs.vector([(0, b"no")])})
    assert answer.status >= 500 or answer.status in (403, 409), answer


def test_an_unknown_subscription_is_refused(server):
    for verb in ("show", "link", "cancel"):
        assert refusal(server.command("subscription", verb, "nobody", check=False))


def test_a_bad_email_and_an_unknown_plan_are_refused(server):
    assert "mail" in refusal(server.command("subscription", "create", "--email", "nonsense", check=False))
    assert "plan" in refusal(server.command("subscription", "create", "--email", "a@example.org", "--plan", "no-such-plan",
                                            check=False))


def test_without_a_server_the_commands_say_so(tmp_path):
    (tmp_path / "state").mkdir()
    assert "serve" in refusal(s4.run("subscription", "list", "--state", tmp_path / "state", check=False))


def test_a_second_server_on_one_directory_is_refused(server):
    assert str(server.state) in refusal(serve(server.state))
    assert server.process.poll() is None


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flag in ("--web", "--gate", "--admin"):
            said = refusal(s4.run("serve", "--state", tmp_path / flag[2:], *sum(
                ([f, f"127.0.0.1:{port if f == flag else 0}"] for f in ("--web", "--gate", "--admin")), []), check=False))
            assert str(port) in said


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refusal(serve(tmp_path / "file" / "state"))


def test_a_bad_configuration_is_refused_by_its_key(tmp_path):
    for text, word in (("no-such-key: 1\n", "no-such-key"), ("drain: soon\n", "drain"), ("a: [1\n", "line")):
        config = tmp_path / "config.yaml"
        config.write_text(text)
        assert word in refusal(serve(tmp_path / "state", "--config", config))
    assert "absent.yaml" in refusal(serve(tmp_path / "state", "--config", tmp_path / "absent.yaml"))
    assert "S4_NONSENSE" in refusal(serve(tmp_path / "state", env={"S4_NONSENSE": "1"}))
    assert "web" in refusal(s4.run("serve", "--state", tmp_path / "state", "--web", "0.0.0.0:0", check=False))


def test_configuration_comes_from_file_and_environment(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("signup: closed\n")
    server = s4.Server(tmp_path / "state", "--config", str(config)).start()
    try:
        with pytest.raises(urllib.error.HTTPError) as closed:
            urllib.request.urlopen(urllib.request.Request(server.web_url() + "/sign-up", data=b"email=a@example.org"), timeout=20)
        assert closed.value.code >= 400
        assert server.create_subscription("still@example.org").nurls
    finally:
        server.close()


def test_an_older_program_refuses_a_newer_database(fresh_server):
    fresh_server.start()
    fresh_server.stop()
    fresh_server.edit_database("INSERT INTO s4_migrations (folder, number, checksum, applied_unix_s) VALUES (?, ?, 0, 0)",
                               "storage", 9999)
    assert "newer" in refusal(serve(fresh_server.state))


def test_the_master_key_of_another_state_is_refused(server, fresh_server):
    fresh_server.start()
    fresh_server.stop()
    (fresh_server.state / "master.key").write_bytes((server.state / "master.key").read_bytes())
    said = serve(fresh_server.state)
    assert "master" in refusal(said) and "CHECK" not in said.stderr


def test_what_holds_keys_is_the_operators_alone(server):
    assert stat.S_IMODE(os.stat(server.state / "control.sock").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(server.state / "master.key").st_mode) & 0o077 == 0


def test_health_readiness_and_metrics(server):
    get = lambda path: urllib.request.urlopen(server.admin_url() + path, timeout=20)
    assert get("/healthz").status == 200
    assert get("/readyz").status == 200
    assert b"# TYPE" in get("/metrics").read()


def test_logs_are_json_lines_without_secrets(server, alice):
    cap = alice.client.put_file(b"x" * 2000)
    assert alice.client.read(cap) == b"x" * 2000
    log = server.log()
    for line in log.splitlines():
        if line.startswith("{"):
            json.loads(line)
    secrets = [alice.grid.introducer_furl.rsplit("/", 1)[1], gbs.Nurl.parse(alice.grid.nurls[0]).swissnum,
               alice.grid.page.rstrip("/").rsplit("/", 1)[1], (server.state / "master.key").read_bytes().hex()]
    for secret in secrets:
        assert secret not in log


def test_a_backup_is_restored_with_its_addresses(fresh_server, tmp_path):
    fresh_server.start()
    grid = fresh_server.create_subscription("backup@example.org")
    mine = gbs.Gbs.of(grid.nurls[0])
    small, large, slot = (gbs.storage_index(n) for n in ("small", "large", "slot"))
    big = os.urandom(3 << 20)
    mine.allocate(small, {0}, 5)
    assert mine.write(small, 0, 0, b"small").status == 201
    mine.allocate(large, {0}, len(big))
    for offset in range(0, len(big), 1 << 20):
        mine.write(large, 0, offset, big[offset:offset + (1 << 20)])
    mine.read_test_write(slot, {0: gbs.vector([(0, b"mutable")])})
    fresh_server.command("backup", tmp_path / "copy")
    mine.read_test_write(slot, {0: gbs.vector([(0, b"changed after the backup")])})
    fresh_server.command("backup", tmp_path / "copy")
    fresh_server.kill()

    s4.run("restore", tmp_path / "copy", "--state", tmp_path / "again")
    restored = s4.Server(tmp_path / "again", gate="%s:%d" % fresh_server.gate).start()
    try:
        assert mine.read(small, 0).body == b"small"
        assert mine.read(large, 0).body == big
        assert mine.read(slot, 0, kind="mutable").body == b"changed after the backup"
        assert mine.write(large, 0, 0, b"x").status == 404
        assert restored.page(grid).ids["introducer-furl"] == grid.introducer_furl
    finally:
        restored.close()


def test_restore_into_a_used_directory_is_refused(server, tmp_path):
    server.command("backup", tmp_path / "copy")
    assert refusal(s4.run("restore", tmp_path / "copy", "--state", server.state, check=False))
    assert refusal(s4.run("restore", tmp_path / "absent", "--state", tmp_path / "new", check=False))


def test_a_clients_uploads_stop_at_nothing_but_the_quota(server):
    """Over quota: a share is absent from what was allocated, a mutable write that grows is refused with 507."""
    grid = server.create_subscription("quota@example.org")
    mine = gbs.Gbs.of(grid.nurls[0])
    space = mine.version().cbor()[b"http://allmydata.org/tahoe/protocols/storage/v1"][b"available-space"]
    assert 0 < space < 2**50
    assert mine.allocate(gbs.storage_index("over"), {0}, space + 1).cbor()["allocated"] == set()
