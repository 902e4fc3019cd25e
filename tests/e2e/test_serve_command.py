"""`mien serve` and its keys, as typed."""

import socket
import sys

import pytest


def test_a_key_is_shown_once_and_kept_nowhere(mien, home):
    """Adding a key prints it alone; the list has its name and scopes, and neither the list nor the file has the key."""
    token = mien("serve", "keys", "add", "Door", "--scopes", "identify,read", "--days", "30").out.strip()
    assert token.startswith("mien_")
    assert " " not in token
    listed = mien("serve", "keys", "list", "--json")
    (key,) = listed.json()
    assert (key["name"], key["scopes"]) == ("Door", "read,identify")
    assert key["expires"] > key["created"]
    assert token not in listed.out
    assert token.rpartition("_")[2].encode() not in (home / "data" / "mien.db").read_bytes()
    assert mien("serve", "keys", "remove", "door").code == 0
    assert mien("serve", "keys", "list", "--json").json() == []
    assert "mien serve keys list" in mien("serve", "keys", "remove", "door").err


def test_a_key_needs_scopes_that_there_are(mien):
    """A scope nobody knows is refused with those there are."""
    result = mien("serve", "keys", "add", "Door", "--scopes", "write")
    assert result.code == 1
    assert "read, identify, enrol, attendance, admin" in result.err


def test_nobody_else_is_let_in_without_a_key(mien):
    """To listen elsewhere than on this machine is refused as long as there is no key, with the way to make one."""
    result = mien("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.code == 2
    assert "mien serve keys add" in result.err


def test_a_port_that_is_taken_is_named(mien):
    """Where another program listens, the address is named with what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = mien("serve", "--port", str(other.getsockname()[1]))
    assert result.code == 2
    assert "choose another --port" in result.err


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(mien, monkeypatch, missing):
    """Where the extra is not installed, the answer is the exact pip command."""
    for name in [n for n in sys.modules if n.startswith("mien.doors.service")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    result = mien("serve")
    assert result.code == 2
    assert 'pip install "mien[serve]"' in result.err
