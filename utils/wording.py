"""Words for people: text from strangers' files, made fit for a terminal and a table, and numbers of things."""

LONGEST = 60


def printable(text: str, longest: int = LONGEST) -> str:
    """Return a text without control characters and bytes that are no text, at most `longest` characters of it."""
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "\u2026"


def counted(number: int, noun: str) -> str:
    """Return "1 face", or "1,234 faces"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count_each(*found: tuple[int, str, str]) -> list[str]:
    """Return the words for each (count, noun, words) of which there is any, with both where the words have {}."""
    return [words.format(counted(count, noun)) for count, noun, words in found if count]
