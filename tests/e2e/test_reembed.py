"""``mien people reembed``: another embedder on a living gallery, switched to and back."""

import zipfile


def test_to_another_embedder_and_back(mien, photo):
    """From the kept picture alone the gallery comes into dlib's space; until the switch all is as before, and again after."""
    ada = photo("ada.jpg")
    assert mien("enroll", "Ada Lovelace", ada, "--keep-photos").code == 0
    again = photo("again.jpg", change=lambda image: image[20:, 10:])
    ada.unlink()

    done = mien("people", "reembed", "--to", "dlib", "--json")
    assert done.code == 0, done.err
    assert "not switched" in done.err
    data = done.json()
    assert [space["faces"] for space in data["spaces"]] == [1, 1]
    assert data["needs_a_new_photo"] == []
    before = mien("who", again, "--json").json()

    assert mien("people", "reembed", "--to", "dlib", "--switch").code == 0
    after = mien("who", again, "--json").json()
    named = [found[0]["faces"][0]["match"] for found in (before, after)]
    assert [match["name"] for match in named] == ["Ada Lovelace"] * 2
    assert named[0]["threshold"] != named[1]["threshold"]
    assert mien("who", again, "--embedder", "facenet", "--json").json() == before

    assert mien("people", "reembed", "--back").code == 0
    assert mien("who", again, "--json").json() == before


def test_after_the_switch_a_library_is_searched_anew(mien, photo):
    """Faces of the former space would be found with nobody of the new one."""
    folder = photo("pics/ada.jpg").parent
    assert mien("enroll", "Ada Lovelace", folder / "ada.jpg", "--keep-photos").code == 0
    assert mien("index", folder, "--json").json()["searched"] == 1
    assert mien("people", "reembed", "--to", "dlib", "--switch").code == 0
    assert mien("index", folder, "--json").json()["searched"] == 1
    assert mien("index", folder, "--json").json()["searched"] == 0
    assert len(mien("search", "--person", "Ada Lovelace", "--json").json()) == 1


def test_who_needs_a_new_photograph(mien, photo):
    """Without a kept picture, and with the photograph gone, the person is named, and a switch is refused unless confirmed."""
    ada = photo("ada.jpg")
    mien("enroll", "Ada Lovelace", ada)
    kept = ada.read_bytes()
    ada.unlink()
    done = mien("people", "reembed", "--to", "dlib")
    assert done.code == 3
    assert "a new photograph is needed of 1: Ada Lovelace" in done.err
    refused = mien("people", "reembed", "--to", "dlib", "--switch")
    assert refused.code == 2
    assert "Nobody is there to answer" in refused.err
    folder = ada.parent / "found"
    folder.mkdir()
    (folder / "renamed.jpg").write_bytes(kept)
    assert mien("people", "reembed", "--to", "dlib", "--photos", folder).code == 0


def test_bad_words_are_answered(mien, photo):
    """Nothing to do, no such embedder, the space it is in, no way back: one line each."""
    assert "nobody is enrolled yet" in mien("people", "reembed", "--to", "dlib").err
    mien("enroll", "Ada Lovelace", photo("ada.jpg"))
    for words, said in (
        ((), "expected --to SPACE"),
        (("--to", "nobody"), "no embedder is called 'nobody'; choose one of"),
        (("--to", "facenet"), "already; name another"),
        (("--back",), "never switched"),
        (("--back", "--to", "dlib"), "--back stands alone"),
    ):
        result = mien("people", "reembed", *words)
        assert result.code in {1, 2}
        assert said in result.err


def test_kept_photographs_are_the_persons(mien, photo, home):
    """By default nothing is kept; kept, it is shown, told to the person, and refused it goes."""
    ada = photo("ada.jpg")
    mien("enroll", "Ada Lovelace", ada)
    assert mien("people", "consent", "Ada Lovelace", "--json").json()[0]["kept"] == 0
    mien("people", "remove", "Ada Lovelace", "--yes")
    mien("enroll", "Ada Lovelace", ada, "--keep-photos")
    assert mien("people", "show", "Ada Lovelace", "--json").json()["templates"][0]["kept"] is True
    mien("people", "disclose", "Ada Lovelace", "ada.zip")
    with zipfile.ZipFile(home / "ada.zip") as file:
        (picture,) = [name for name in file.namelist() if name.startswith("photos/")]
        assert file.read(picture).startswith(b"\xff\xd8\xff")
    refused = mien("people", "consent", "Ada Lovelace", "--photos", "no", "--json")
    assert "1 photographs were deleted" in refused.err
    assert (refused.json()[0]["photos"], refused.json()[0]["kept"]) == ("no", 0)
