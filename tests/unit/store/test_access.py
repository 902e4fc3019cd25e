"""Who may do what: keys and users."""

import sys
from datetime import UTC, datetime, timedelta

import pytest

from mien.core.errors import DuplicateError, InputError, MissingExtraError, NotFoundError
from mien.store import access
from mien.store.gallery import open_gallery
from tests.fakes.gallery import make_template

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse"


def test_a_key_opens_what_it_is_for_and_nothing_else(gallery):
    """The key shown once is recognised with its scopes; an altered one, another's secret and rubbish are not."""
    key, token = gallery.access.add_key("Door tablet", ["identify", "read"])
    other, other_token = gallery.access.add_key("Office", ["admin"])
    checking = gallery.access
    assert checking.check_key(token) == key
    assert checking.check_key(token) == key  # from memory this time
    assert key.scopes == ("read", "identify")
    assert (key.allows("read"), key.allows("enrol"), other.allows("enrol")) == (True, False, True)
    mixed = f"mien_{key.id}_{other_token.rpartition('_')[2]}"
    for wrong in (token[:-1] + ("0" if token[-1] != "0" else "1"), mixed, "", "mien_", "ключ", token + "0"):
        assert checking.check_key(wrong) is None, wrong


@pytest.mark.file
def test_the_file_keeps_no_secret(gallery, path):
    """Neither a key nor a password is in the database or its log, nor anything they could be computed from."""
    _, token = gallery.access.add_key("Door", ["read"])
    gallery.access.add_user("Ada", "admin", PASSWORD)
    raw = b"".join(file.read_bytes() for file in path.parent.glob("gallery.db*"))
    assert b"$argon2id$" in raw
    assert token.rpartition("_")[2].encode() not in raw
    assert PASSWORD.encode() not in raw


def test_a_removed_key_is_good_for_nothing_at_once(gallery, path):
    """A key that another process removed is refused at the next check, though it was verified before."""
    key, token = gallery.access.add_key("Door", ["read"])
    checking = gallery.access
    assert checking.check_key(token)
    with open_gallery(path) as elsewhere:
        assert elsewhere.access.remove_key("DOOR") == key
    assert checking.check_key(token) is None
    assert not gallery.access.has_keys()
    with pytest.raises(NotFoundError, match="mien serve keys list"):
        gallery.access.remove_key("Door")


def test_a_key_expires(gallery):
    """A key is good until the moment it expires."""
    _, past = gallery.access.add_key("Old", ["read"], NOON)
    _, later = gallery.access.add_key("New", ["read"], NOON + timedelta(seconds=1))
    assert gallery.access.check_key(past) is None
    assert gallery.access.check_key(later)


def test_keys_that_cannot_be_are_refused(gallery):
    """A scope nobody knows, none at all and a name that is taken are refused, and nothing is kept of them."""
    gallery.access.add_key("Door", ["read"])
    for name, scopes, error in (
        ("x", ["write"], InputError),
        ("x", [], InputError),
        ("DOOR", ["read"], DuplicateError),
    ):
        with pytest.raises(error):
            gallery.access.add_key(name, scopes)
    assert [key.name for key in gallery.access.api_keys()] == ["Door"]


def test_users_log_in_with_their_password(gallery):
    """Name in any case and password in any composition let in; a wrong one, or a name that is not there, does not."""
    user = gallery.access.add_user("Đức", "admin", "pa\N{LATIN SMALL LETTER E WITH ACUTE}ssword")
    assert gallery.access.log_in("ĐỨC", "pae\N{COMBINING ACUTE ACCENT}ssword") == user
    assert gallery.access.log_in("Đức", "password") is None
    assert gallery.access.log_in("Ada", "password") is None
    gallery.access.set_password("Đức", PASSWORD)
    assert gallery.access.log_in("Đức", PASSWORD)
    with pytest.raises(InputError, match="give 8 to"):
        gallery.access.set_password("Đức", "short")


def test_somebody_is_always_admin(gallery):
    """The first user is an admin, and the last admin can be neither demoted nor removed while others are there."""
    with pytest.raises(InputError, match="admin"):
        gallery.access.add_user("Ada", "viewer", PASSWORD)
    ada = gallery.access.add_user("Ada", "admin", PASSWORD)
    bob = gallery.access.add_user("Bob", "viewer", PASSWORD)
    assert (bob.may("viewer"), bob.may("operator"), ada.may("operator")) == (True, False, True)
    for change in (lambda: gallery.access.set_role("Ada", "operator"), lambda: gallery.access.remove_user("Ada")):
        with pytest.raises(InputError, match="nobody would be admin"):
            change()
    assert gallery.access.set_role("Bob", "admin").role == "admin"
    gallery.access.remove_user("Ada")
    assert [user.name for user in gallery.access.users()] == ["Bob"]


def test_the_audit_names_who_did_it(gallery):
    """Adding keys and users is in the audit, under the name of whoever acts."""
    gallery.acting_as("Office").access.add_key("Door", ["read"])
    gallery.acting_as("Door").add("Ada", [make_template(1)])
    assert [(line.actor, line.action) for line in gallery.audit()] == [("Door", "enroll"), ("Office", "add key")]


def test_without_argon2_the_extra_is_named(gallery, monkeypatch):
    """Where argon2 is not installed, adding a key says what to install."""
    monkeypatch.setitem(sys.modules, "argon2", None)
    access._hasher.cache_clear()
    with pytest.raises(MissingExtraError, match=r'pip install "mien\[serve\]"'):
        gallery.access.add_key("Door", ["read"])
    access._hasher.cache_clear()
