"""Text to tokens as lm-eval's own backends do it, with the service's tokenizer."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from trueodds.client import Client
from trueodds.model import Model
from trueodds.question import Text

Ids = tuple[int, ...]

_NAME = re.compile(r"<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]")


class Encoder:
    """One model's tokenizer. Names of special tokens in a text are special tokens here."""

    def __init__(self, client: Client, model: Model) -> None:
        self._client = client
        self._model = model

    @cached_property
    def added(self) -> tuple[Ids, Ids]:
        """What the tokenizer puts before and after every text, such as a BOS."""
        [whole] = self._client.tokenize(["a"], model=self._model.name)
        bare = self._bare(["a"])["a"]
        place = next(
            place for place in range(len(whole)) if whole[place : place + len(bare)] == bare
        )
        return whole[:place], whole[place + len(bare) :]

    def may_name_special_token(self, text: str) -> bool:
        """False where the text is sure to name none."""
        return _NAME.search(text) is not None

    def encode(self, texts: Iterable[str], *, special: bool = True) -> dict[str, Ids]:
        """The tokens of texts, with what is put around them unless ``special`` is False.

        A text that begins with the prefix token itself gets no other (HFLM.tok_encode).
        """
        found = self._bare(texts)
        if not special:
            return found
        before, after = self.added
        return {
            text: ids if ids[:1] == (self._model.prefix_token_id,) else before + ids + after
            for text, ids in found.items()
        }

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Ids, Ids]]:
        """The tokens of contexts and continuations (TemplateLM.loglikelihood).

        Where the tokenizer joins the two, the continuation is what the whole has beyond as many
        tokens as the context has alone. After nothing it is read after the prefix token.
        """
        moved = [with_spaces_moved(*pair) for pair in pairs]
        ids = self.encode(text for stem, rest in moved for text in (stem, stem + rest))
        alone = [continuation for context, continuation in pairs if not context]
        bare = self.encode(alone, special=False)
        found: list[tuple[Ids, Ids]] = []
        for (context, _), (stem, rest) in zip(pairs, moved, strict=True):
            if not context:
                prefix = self.prefix()
                continuation = bare[rest][1:] if bare[rest][:1] == (prefix,) else bare[rest]
                found.append(((prefix,), continuation))
            elif not ids[stem]:
                raise ValueError("a context of nothing but space is no tokens to read after")
            else:
                found.append((ids[stem], ids[stem + rest][len(ids[stem]) :]))
        return found

    def prefix(self) -> int:
        """The token before a text that has nothing before it; a ValueError without one."""
        if self._model.prefix_token_id is None:
            raise ValueError(
                f"{self._model.name} has no token for the beginning of a text: "
                "nothing can be scored after an empty context"
            )
        return self._model.prefix_token_id

    def _bare(self, texts: Iterable[str]) -> dict[str, Ids]:
        unique = dict.fromkeys(text for text in texts if text)
        prompts = (Text(text, special_tokens=True) for text in unique)
        found = dict(
            zip(unique, self._client.tokenize(prompts, model=self._model.name), strict=True)
        )
        return {"": (), **found}


def with_spaces_moved(context: str, continuation: str) -> tuple[str, str]:
    """Space at the end of a context belongs to the continuation (TemplateLM._encode_pair)."""
    stem = context.rstrip()
    return stem, context[len(stem) :] + continuation
