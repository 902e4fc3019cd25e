"""Who is meant by a name, however many people there are."""

import pytest

from mien.core.errors import NotFoundError
from mien.store import identities
from tests.fakes.gallery import make_template


def test_close_names_are_still_named_in_a_huge_gallery(gallery, monkeypatch):
    """Of very many people only those with the same first letter are compared; that letter may be a wildcard of SQL."""
    monkeypatch.setattr(identities, "_MANY_PEOPLE", 2)
    for seed, name in enumerate(("Joe Biden", "Zoe Biden", "%Joe")):
        gallery.add(name, [make_template(seed)])
    with pytest.raises(NotFoundError, match=r"did you mean 'Joe Biden'\?"):
        gallery.person("Joe Bidn")
    with pytest.raises(NotFoundError, match=r"did you mean '%Joe'\?"):
        gallery.person("%Jo")
