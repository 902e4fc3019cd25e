"""Runs that differ in their seed alone, and differences beside what seeds do."""

import math

import pytest

from mien.core.errors import InputError
from mien.evaluation.charts import draw_spread
from mien.evaluation.spread import Spread, difference
from mien.media.images import read_image


def test_a_spread_in_words():
    """Mean, standard deviation and range of the runs; one run has no deviation."""
    spread = Spread((0.2, 0.1, 0.3))
    assert spread.words(2) == "0.20 ± 0.10 (0.10–0.30)"
    assert spread.best_below_worst == pytest.approx(2 / 3)
    assert Spread((0.25,)).words() == "0.2500"
    assert Spread((0.0, 0.0)).best_below_worst == 0
    with pytest.raises(InputError, match="one run or more"):
        Spread(())


def test_a_difference_is_shown_when_its_interval_leaves_nothing_out():
    """Student's interval of three paired differences by hand: 4.303 · s / √3, and wider for splits that share pictures."""
    first, second = (0.50, 0.62, 0.41), (0.40, 0.50, 0.33)
    plain = difference(first, second)
    deviation = math.sqrt((0.0**2 + 0.02**2 + 0.02**2) / 2)
    assert plain.mean == pytest.approx(0.10)
    assert plain.half == pytest.approx(4.303 * deviation / math.sqrt(3))
    assert plain.shown
    shared = difference(first, second, held=0.25)
    assert shared.half == pytest.approx(4.303 * deviation * math.sqrt(1 / 3 + 0.25))
    assert shared.shown
    assert not difference((0.5, 0.6, 0.4), (0.4, 0.7, 0.3)).shown


def test_one_seed_shows_no_difference():
    """However large it is, nobody knows what another seed would do."""
    found = difference((0.9,), (0.1,))
    assert (found.mean, found.half, found.shown) == (pytest.approx(0.8), None, False)
    with pytest.raises(InputError, match="same seeds"):
        difference((0.1, 0.2), (0.1,))


@pytest.mark.parametrize("ticks", [(), ("facenet", "none")])
def test_spreads_are_drawn(tmp_path, ticks):
    """Each name has its colour, at places with names as at quantities."""
    pytest.importorskip("matplotlib")
    series = {"augment 0": [(0, (0.1, 0.2)), (1, (0.5, 0.7))], "augment 5": [(0, (0.1,)), (1, (0.3, 0.4))]}
    draw_spread(series, tmp_path / "a.png", x="backbone", y="loss", ticks=ticks)
    pixels = read_image(tmp_path / "a.png").pixels.astype(int)
    blue, orange = pixels[..., 2] - pixels[..., 0] > 100, pixels[..., 0] - pixels[..., 2] > 100
    assert min(blue.sum(), orange.sum()) > 100
