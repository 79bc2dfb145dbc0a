"""The graphics that a broadcaster lays over the image: lower thirds, tickers, logos, clocks and subtitles."""

import numpy as np

from tools.sample.canvas import WHITE, Color, Surface, mix, palette, pick, text_width

INKS = palette("143278 a01e28 2e323c 146e5a 5a1e6e c8781e 287846")
PAPER, DARK = palette("e6e8eb 1c1c1e")
FIRST = ["ANNA", "KOFI", "MEI", "JONAS", "LUCIA", "OMAR", "PRIYA", "SVEN", "AIKO", "DIEGO", "FATIMA", "PAUL"]
LAST = ["BERG", "MENSAH", "CHEN", "WEBER", "ROSSI", "HADDAD", "RAO", "LIND", "SATO", "CRUZ", "KHAN", "MOREAU"]
ROLES = ["Reporter", "Weather desk", "Head coach", "Economist", "Mayor", "Chef", "Actor", "Biologist", "Studio guest"]
HEADLINES = [
    "Bridge reopens after two years of repair",
    "Record harvest expected in the north",
    "Local team wins in the last minute",
    "Museum shows paintings found in an attic",
    "Rain until Thursday, sun at the weekend",
]
LINES = [
    "I did not expect that at all.",
    "We will know more tomorrow.",
    "And now the weather.",
    "Thank you for coming.",
]
LOGOS = ["TV1", "K9", "NEWS", "CITY", "LIVE", "SPORT", "8"]


def draw_bar(
    words: str, x: float, y: float, height: float, ink: Color, paper: Color | None, width: float = 0
) -> Surface:
    """Draw words on a bar with its top left corner at (x, y), at least `width` pixels wide; without `paper` no bar."""
    width = max(width, text_width(words, 0.46 * height) + height)
    layer = Surface(int(x) - 2, int(y) - 2, int(width) + 6, int(height) + 6, scale=2)
    if paper:
        layer.box(x, y, width, height, paper)
    layer.text(words, x + 0.5 * height, y + 0.73 * height, 0.46 * height, ink)
    layer.reduce()
    return layer


def draw_captions(size: tuple[int, int], rng: np.random.Generator) -> list[Surface]:
    """Return the layers that lie over one image of `size` (width, height), lowest first."""
    (w, h), layers, ink = size, [], pick(rng, INKS)
    left, right = rng.permutation([0.04 * w, 0.84 * w])
    if rng.random() < 0.75:
        paper = pick(rng, INKS) if rng.random() < 0.6 else None
        layers.append(draw_bar(pick(rng, LOGOS), left, 0.04 * h, rng.uniform(0.08, 0.1) * h, WHITE, paper))
        layers[0].pixels = (layers[0].pixels * pick(rng, [1, 1, 0.6])).astype(np.uint8)  # some can be seen through
    if rng.random() < 0.25:
        clock = f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}"
        layers.append(draw_bar(clock, right, 0.05 * h, 0.07 * h, WHITE, DARK))
    kind = rng.random()
    if kind < 0.3:  # a name over a role
        x, y, height = rng.uniform(0.04, 0.1) * w, rng.uniform(0.76, 0.82) * h, rng.uniform(0.065, 0.08) * h
        name = draw_bar(f"{pick(rng, FIRST)} {pick(rng, LAST)}", x, y, height, WHITE, ink, 0.3 * w)
        layers += [name, draw_bar(pick(rng, ROLES), x, y + height, 0.65 * height, DARK, PAPER, name.width - 6)]
    elif kind < 0.5:  # a ticker along the bottom
        height, words = rng.uniform(0.055, 0.075) * h, "   +++   ".join(rng.permutation(HEADLINES))
        y = h - height - pick(rng, [0, 0.03]) * h
        layers.append(draw_bar(words, rng.uniform(-0.1, 0.1) * w, y, height, WHITE, ink))
        layers.append(draw_bar(pick(rng, ["NEWS", "LIVE", "NOW"]), 0, y, height, ink, mix(ink, WHITE, 0.85)))
    elif kind < 0.65:  # a subtitle
        words, height = pick(rng, LINES), 0.09 * h
        x = (w - height - text_width(words, 0.46 * height)) / 2
        layers.append(draw_bar(words, x, 0.86 * h, height, pick(rng, palette("ffffff fff05a")), DARK))
    return layers
