"""Text for messages: printable names and numbers with nouns."""

LONGEST = 60


def printable(text: str, longest: int = LONGEST) -> str:
    """Return at most `longest` characters of a text, with replacements for everything that a terminal cannot print."""
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "\u2026"


def counted(number: int, noun: str) -> str:
    """Return "1 face", or "1,234 faces"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count_each(*found: tuple[int, str, str]) -> list[str]:
    """Return the words of each (count, noun, words) with a count above 0; {} in the words becomes "1 face"."""
    return [words.format(counted(count, noun)) for count, noun, words in found if count]
