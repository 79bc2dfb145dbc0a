"""What a broadcaster lays over the image: lower thirds, tickers, logos, clocks, scores and subtitles."""

from typing import TypeVar

import numpy as np

from tools.sample.canvas import Surface, mix, rectangle, text_width

INKS = [(120, 50, 20), (40, 30, 160), (60, 50, 46), (90, 110, 20), (110, 30, 90), (30, 120, 200), (70, 120, 40)]
FIRST = ["ANNA", "KOFI", "MEI", "JONAS", "LUCIA", "OMAR", "PRIYA", "SVEN", "AIKO", "DIEGO", "FATIMA", "PAUL"]
LAST = ["BERG", "MENSAH", "CHEN", "WEBER", "ROSSI", "HADDAD", "RAO", "LIND", "SATO", "CRUZ", "KHAN", "MOREAU"]
ROLES = ["Reporter", "Weather desk", "Head coach", "Economist", "Mayor", "Chef", "Actor", "Biologist", "Studio guest"]
HEADLINES = [
    "Bridge reopens after two years of repair",
    "Record harvest expected in the north",
    "Local team wins in the last minute",
    "Museum shows paintings found in an attic",
    "Rain until Thursday, sun at the weekend",
    "Council votes on new tram line",
    "Scientists count more birds than last year",
    "Night market opens on Friday",
]
LINES = [
    "I did not expect that at all.",
    "We will know more tomorrow.",
    "And now the weather.",
    "Thank you for coming.",
    "It started with a small idea.",
    "What happens next?",
]
LOGOS = ["TV1", "K9", "NEWS", "CITY", "LIVE", "SPORT", "8"]
SIDES = ["RED", "BLU", "OAK", "SEA", "FOX", "SUN"]

T = TypeVar("T")


def pick(rng: np.random.Generator, words: list[T]) -> T:
    """Return one of a list."""
    return words[int(rng.integers(len(words)))]


def draw_lower_third(size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw a name and a role on a bar."""
    w, h = size
    top, high = rng.uniform(0.76, 0.82) * h, rng.uniform(0.1, 0.13) * h
    x = rng.uniform(0.04, 0.1) * w
    name = f"{pick(rng, FIRST)} {pick(rng, LAST)}"
    wide = max(0.3 * w, text_width(name, 0.34 * high, True) + 0.08 * w)
    ink = pick(rng, INKS)
    surface = Surface(0, int(top) - 2, w, int(high) + 6, scale=2)
    surface.polygon(rectangle(x, top, wide, high), ink, rng.uniform(0.8, 1.0))
    surface.box(x, top, 0.012 * w, high, mix(ink, (255, 255, 255), 0.6))
    surface.box(x, top + 0.6 * high, wide, 0.4 * high, mix(ink, (255, 255, 255), 0.85))
    surface.text(name, x + 0.03 * w, top + 0.46 * high, 0.34 * high, (255, 255, 255), bold=True)
    surface.text(pick(rng, ROLES), x + 0.03 * w, top + 0.9 * high, 0.22 * high, (40, 40, 40))
    surface.reduce()
    return surface


def draw_ticker(size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw a line of headlines along the bottom."""
    w, h = size
    high = rng.uniform(0.055, 0.075) * h
    top = h - high - rng.choice([0.0, 0.03]) * h
    ink = pick(rng, INKS)
    surface = Surface(0, int(top), w, h - int(top), scale=2)
    surface.box(0, top, w, high, ink)
    words = "   +++   ".join(HEADLINES[i] for i in rng.permutation(len(HEADLINES))[:4])
    surface.text(words, -rng.uniform(0, 0.2) * w + 0.15 * w, top + 0.72 * high, 0.42 * high, (245, 245, 245))
    surface.box(0, top, 0.13 * w, high, mix(ink, (255, 255, 255), 0.85))
    surface.text(pick(rng, ["NEWS", "LIVE", "NOW"]), 0.02 * w, top + 0.74 * high, 0.46 * high, ink, bold=True)
    surface.reduce()
    return surface


def draw_logo(size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw the station's name in a corner, some of them see-through."""
    w, h = size
    words, high = pick(rng, LOGOS), rng.uniform(0.035, 0.05) * h
    wide = text_width(words, high, True) + 1.4 * high
    x = rng.choice([0.03 * w, 0.97 * w - wide])
    surface = Surface(int(x) - 2, int(0.04 * h) - 2, int(wide) + 6, int(2.2 * high) + 6, scale=2)
    if rng.random() < 0.6:
        surface.box(x, 0.04 * h, wide, 2.1 * high, pick(rng, INKS), 0.9)
    surface.text(words, x + 0.7 * high, 0.04 * h + 1.55 * high, high, (245, 245, 245), bold=True)
    surface.reduce()
    if rng.random() < 0.4:
        surface.pixels = (surface.pixels * 0.6).astype(np.uint8)
    return surface


def draw_clock_bug(size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw the time of day in a corner."""
    w, h = size
    high = 0.035 * h
    words = f"{int(rng.integers(0, 24)):02d}:{int(rng.integers(0, 60)):02d}"
    wide, y = text_width(words, high) + high, rng.choice([0.05, 0.14]) * h
    x = rng.choice([0.04 * w, 0.96 * w - wide])
    surface = Surface(int(x) - 2, int(y) - 2, int(wide) + 6, int(2 * high) + 6, scale=2)
    surface.box(x, y, wide, 1.9 * high, (20, 20, 20), 0.8)
    surface.text(words, x + 0.5 * high, y + 1.45 * high, high, (250, 250, 250))
    surface.reduce()
    return surface


def draw_score(size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw two teams, the score and the minute."""
    w, h = size
    high, x, y = 0.06 * h, 0.05 * w, 0.05 * h
    wide = 0.3 * w
    first, second = (SIDES[i] for i in rng.permutation(len(SIDES))[:2])
    surface = Surface(int(x) - 2, int(y) - 2, int(wide) + 6, int(high) + 6, scale=2)
    surface.box(x, y, wide, high, (50, 36, 30), 0.95)
    surface.box(x + 0.36 * wide, y, 0.28 * wide, high, (235, 235, 235))
    surface.text(first, x + 0.08 * wide, y + 0.72 * high, 0.42 * high, (250, 250, 250), bold=True)
    score = f"{rng.integers(0, 5)} - {rng.integers(0, 5)}"
    surface.text(score, x + 0.4 * wide, y + 0.72 * high, 0.42 * high, (40, 40, 40))
    surface.text(second, x + 0.72 * wide, y + 0.72 * high, 0.42 * high, (250, 250, 250), bold=True)
    surface.reduce()
    return surface


def draw_subtitle(size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw a spoken line at the bottom, white with a dark edge or on a dark box."""
    w, h = size
    words, high = pick(rng, LINES), 0.042 * h
    wide = text_width(words, high)
    x, y = (w - wide) / 2, 0.92 * h
    surface = Surface(0, int(y - 2 * high), w, h - int(y - 2 * high), scale=2)
    if rng.random() < 0.5:
        surface.box(x - high, y - 1.5 * high, wide + 2 * high, 2.1 * high, (12, 12, 12), 0.75)
    else:
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            surface.text(words, x + dx, y + dy, high, (20, 20, 20))
    surface.text(words, x, y, high, pick(rng, [(250, 250, 250), (90, 240, 250)]))
    surface.reduce()
    return surface


def draw_captions(size: tuple[int, int], rng: np.random.Generator, sport: bool = False) -> list[Surface]:
    """Return the layers that lie over one image of `size` (width, height), lowest first."""
    layers = []
    if rng.random() < 0.75:
        layers.append(draw_logo(size, rng))
    if sport and rng.random() < 0.7:
        layers = [draw_score(size, rng)]
    elif rng.random() < 0.25:
        layers.append(draw_clock_bug(size, rng))
    bottom = rng.random()
    if bottom < 0.3:
        layers.append(draw_lower_third(size, rng))
    elif bottom < 0.5:
        layers.append(draw_ticker(size, rng))
    elif bottom < 0.65:
        layers.append(draw_subtitle(size, rng))
    return layers
