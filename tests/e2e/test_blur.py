"""``mien blur`` as a user has it."""


def test_faces_are_hidden_in_copies_and_the_originals_stay(mien, photo, home):
    """A folder is copied with every face hidden; nobody is found in the copies, the original is untouched."""
    original = photo("photos/2020/face.png").read_bytes()
    result = mien("blur", "photos", "out", "--min-face", 80, "--json")
    assert result.code == 0
    (row,) = result.json()
    assert row["hidden"] == 1
    assert (home / "photos" / "2020" / "face.png").read_bytes() == original
    assert mien("detect", "out", "--min-face", 80, "--json").json()[0]["faces"] == []


def test_somebody_known_is_kept(mien, photo):
    """Who is named to be kept is still recognised in the copy; hidden alone on request, nobody is."""
    mien("enroll", "Eileen", photo("id.png"))
    photo("in/face.png")
    assert mien("blur", "in", "kept", "--keep", "Eileen", "--min-face", 80, "--json").json()[0]["kept"] == 1
    assert mien("who", "kept/face.png", "--json").json()[0]["faces"][0]["match"]["name"] == "Eileen"
    assert mien("blur", "in", "gone", "--only", "Eileen", "--min-face", 80, "--json").json()[0]["hidden"] == 1


def test_what_cannot_work_is_told_in_one_line(mien, photo):
    """Copies among the originals, two wishes at once, nobody of that name, nothing there."""
    photo("in/face.png")
    assert "choose another folder" in mien("blur", "in", "in/out").err
    assert "choose one" in mien("blur", "in", "out", "--only", "Ada", "--keep-known").err
    assert "would replace" in mien("blur", "in/face.png", "in").err
    assert "there is no" in mien("blur", "nowhere", "out").err
