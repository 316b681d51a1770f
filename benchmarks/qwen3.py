"""A Qwen3 in small with random weights, or of a large shape with none, and texts to ask it about.

vLLM answers decisions for few architectures; this is one of them.
"""

from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from benchmarks import corpus
from benchmarks.profiles import CACHE
from benchmarks.shapes import CONTEXT, Shape, write

TEXT_TOKENS = 600
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def model(folder: Path) -> Path:
    """A small Qwen3 with random weights, of which the arithmetic takes some of the time."""
    if (folder / "model.safetensors").exists():
        return folder
    tokenizer = _tokenizer()
    torch.manual_seed(0)
    shape = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )
    Qwen3ForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def shaped(shape: Shape, folder: Path) -> Path:
    """A Llama's sizes as a Qwen3, for vLLM's dummy weights."""
    chat = CACHE / "tokenizer-chat"
    _tokenizer().save_pretrained(chat)
    return write(shape, chat, folder, architecture="qwen3")


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(corpus.tokenizer(CACHE / "tokenizer"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def texts(weights: Path, count: int) -> list[str]:
    """Texts of 600 tokens, each of which begins as no other does."""
    tokenizer = AutoTokenizer.from_pretrained(weights)
    # Prose that names a control token is refused.
    prose = [each for each in corpus.prose() if "<|" not in each]
    ids = tokenizer("\n".join(prose), verbose=False)["input_ids"]
    # Where there is less prose than that, it comes again, a few tokens later.
    starts = [
        (number * TEXT_TOKENS + 7 * (number * TEXT_TOKENS // len(ids))) % (len(ids) - TEXT_TOKENS)
        for number in range(count)
    ]
    return [
        f"{number}: {tokenizer.decode(ids[start : start + TEXT_TOKENS])}"
        for number, start in enumerate(starts)
    ]
