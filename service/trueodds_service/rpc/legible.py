"""What a name of the caller's may hold: any script, and nothing that misleads who reads it."""

import unicodedata

# Controls, line and paragraph separators, halves of surrogate pairs.
_REFUSED = ("Cc", "Zl", "Zp", "Cs")
# What shows the text after it in another order, or is a mark of files; nothing is written with it.
_MISLEADING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def is_legible(text: str) -> bool:
    """Whether every character is one to read, or shapes those beside it, as joiners do.

    Hindi and Persian are written with joiners, which ``str.isprintable`` refuses.
    """
    categories = [unicodedata.category(character) for character in text]
    return (
        text == text.strip()
        and not any(category in _REFUSED for category in categories)
        and not _MISLEADING & set(text)
        # No two names of characters that show nothing could be told apart.
        and (not text or any(category != "Cf" for category in categories))
    )
