"""Control tokens: those that a text must not turn into by spelling them out.

Most tokenizers flag them as special. Some do not, such as Qwen 3's for "<think>" or those made
from GGUF files, whose control tokens can be ordinary pieces. So a token that was added counts by
the shape of its name, and a piece of the vocabulary only where nothing but a control token is
called so: "<T>" may be a word of a tokenizer that has read code. Tokens of any other shape are
ordinary words, whoever added them, and so are HTML's tags.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import AddedToken

# <|im_start|>, <｜User｜>, [INST], [/THINK], <think>, </tool_call>, <start_of_turn>.
_SHAPE = re.compile(r"<[|｜].*[|｜]>|\[/?[A-Z][A-Z_]*\]|</?([A-Za-z][\w:-]*)>", re.DOTALL)
# Among pieces of the vocabulary that nobody added fewer shapes are certain.
_CERTAIN = re.compile(
    r"<[|｜].*[|｜]>|\[/?(INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|THINK)\]"
    r"|</?(start_of_turn|end_of_turn|think|tool_call|tool_response)>",
    re.DOTALL,
)
_HTML = re.compile(
    "a|abbr|article|b|blockquote|body|br|button|caption|center|cite|code|col|dd|del|details|div|dl|"
    "dt|em|font|footer|form|h[1-6]|head|header|hr|html|i|img|input|ins|kbd|label|li|link|main|mark|"
    "meta|nav|ol|option|p|pre|q|s|samp|script|section|select|small|span|strike|strong|style|sub|"
    "summary|sup|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|var|video"
)


def is_control_name(name: str) -> bool:
    """Whether a token that is not flagged is a control token, by the shape of its name."""
    shape = _SHAPE.fullmatch(name)
    return shape is not None and not _HTML.fullmatch((shape[1] or "").lower())


def control_names(tokenizer: Any) -> tuple[str, ...]:
    """The names of a tokenizer's control tokens, flagged or not, that texts can turn into."""
    added = tokenizer.added_tokens_decoder.values()
    flagged = {str(token) for token in added if token.special}
    shaped = {str(token) for token in added if is_control_name(str(token))}
    shaped |= set(filter(_CERTAIN.fullmatch, tokenizer.get_vocab()))
    return (*sorted(flagged), *_reached(tokenizer, sorted(shaped - flagged)))


def split_controls(tokenizer: Any) -> tuple[str, ...]:
    """Makes a tokenizer write control tokens' names as plain text, as its
    ``split_special_tokens`` does with those that are flagged.

    Returns the names that it turns into tokens all the same.
    """
    names = control_names(tokenizer)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        added = {str(token): token for token in tokenizer.added_tokens_decoder.values()}
        backend.add_special_tokens(
            [_flagged(added[name]) for name in names if name in added and not added[name].special]
        )
    return _reached(tokenizer, names)


def _flagged(token: AddedToken) -> AddedToken:
    return AddedToken(
        token.content,
        single_word=token.single_word,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=token.normalized,
        special=True,
    )


def _reached(tokenizer: Any, names: Sequence[str]) -> tuple[str, ...]:
    """The names that the tokenizer, with its present settings, turns into tokens inside a text."""
    if not names:
        return ()
    ids = tokenizer.convert_tokens_to_ids(list(names))
    texts = [f"a{name}a" for name in names]
    return tuple(
        name
        for name, token, found in zip(names, ids, _encoded(tokenizer, texts), strict=True)
        if token in found
    )


def _encoded(tokenizer: Any, texts: Sequence[str]) -> Iterable[Sequence[int]]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        found: Iterable[Sequence[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
        return found
    backend.encode_special_tokens = tokenizer.split_special_tokens
    return [each.ids for each in backend.encode_batch(texts, add_special_tokens=False)]
