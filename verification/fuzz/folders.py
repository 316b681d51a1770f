"""Model folders without weights: a small tokenizer, and chat templates of odd kinds.

The tokenizer knows more tokens than an embedding of ``ROWS`` has, as that of a model whose
tokenizer was added to: a control token, and a word that any text may hold.
"""

import json
from pathlib import Path
from string import ascii_letters

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

BEYOND, BEYOND_WORD = "<|beyond|>", "zyzzyva"

_TRAINED = 400
_THOUGHT = ["<think>", "</think>"]
ROWS = _TRAINED + len(_THOUGHT)

_TEXT = [
    f"Which one is it?\nA. one\nB. two\nAnswer: {letter}\n\nAnswer: ({letter})\n"
    for letter in ascii_letters
]

PLAIN = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
TEMPLATES: dict[str, str | None] = {
    "plain": PLAIN,
    "none": None,
    "nothing": "{% if messages %}{% endif %}",
    "alternates": "{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('not after ' + message.content) }}{% endif %}"
    "{{ message.content }}<|end|>{% endfor %}",
    "wants-more": "{{ messages[0].tool_calls[0].function.name }}",
    "broken": "{% if messages %}{{ messages[0].content }",
    "thinks": PLAIN + "<think>\n",
    "by-chance": PLAIN + "{{ ['a', 'b'] | random }}",
    "dated": "Today is {{ strftime_now('%d %B %Y') }}.\n" + PLAIN,
    "huge": "{{ 'word ' * 200000 }}" + PLAIN,
    "beyond": PLAIN + BEYOND,
    "no-character": PLAIN + "{{ '\\ud800' }}",
}


def write_model(folder: Path, template: str | None = PLAIN) -> Path:
    """Writes a folder that a model can be served from, by an engine that needs no weights."""
    folder.mkdir()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_TRAINED,
        show_progress=False,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        chat_template=template,
    )
    fast.add_tokens(_THOUGHT)
    fast.add_tokens([BEYOND], special_tokens=True)
    fast.add_tokens([BEYOND_WORD])
    fast.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def token_of(folder: Path, character: str) -> int:
    """The one token of a character that the tokenizer was not trained on."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    [token] = tokenizer.encode(character, add_special_tokens=False).ids
    return int(token)
