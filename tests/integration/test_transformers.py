"""The service's logprobs are those of Hugging Face transformers, in fp32, on the same weights."""

import functools

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from trueodds import Answer, Client, Example, Format, Question
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_demo.service import ALIGNED, BASE, MODELS

QUESTIONS = 40
TOLERANCE = 1e-4

FOLDERS = {BASE: MODELS / "base", ALIGNED: MODELS / "aligned"}


def prompt_text(question: Question, worked: list[Example], answer_format: Format) -> str:
    """The documented prompt, written a second time: the service's own code is not asked."""
    text = ""
    for shot in [*worked, Example(question)]:
        asked = shot.question
        text += f"{asked.passage}\n" if asked.passage else ""
        text += f"{asked.text}\n"
        text += "".join(
            f"{letter}. {option}\n" for letter, option in zip("ABCD", asked.options, strict=False)
        )
        text += "Answer:"
        if shot.answer is not None:
            letter = "ABCD"[shot.answer]
            text += f" {letter}\n\n" if answer_format is Format.LETTER else f" ({letter})\n\n"
    return text


@functools.cache
def reference(model: str):
    tokenizer = AutoTokenizer.from_pretrained(FOLDERS[model])
    return tokenizer, AutoModelForCausalLM.from_pretrained(
        FOLDERS[model], dtype=torch.float32
    ).eval()


def next_token_logprobs(model: str, text: str) -> dict[str, float]:
    """ln p of every next token, by its text."""
    tokenizer, network = reference(model)
    with torch.no_grad():
        logits = network(tokenizer(text, return_tensors="pt").input_ids).logits[0, -1]
    logprobs = logits.double().log_softmax(-1)
    return {
        label: float(logprobs[tokenizer(label, add_special_tokens=False).input_ids[0]])
        for label in (" (", "A", "B", "C", "D", " A", " B", " C", " D")
    }


@pytest.mark.parametrize("model", [BASE, ALIGNED])
@pytest.mark.parametrize("answer_format", [Format.LETTER, Format.PAREN])
def test_option_logprobs_agree_with_transformers(
    client: Client, model: str, answer_format: Format
) -> None:
    """160 prompts of each model and format, 640 in all: zero-shot, and after five examples."""
    tasks = ("knowledge", "logic", "openbook", "sentiment")
    for task, worked in zip(tasks, (shots, shots, lambda _: [], lambda _: []), strict=True):
        asked = scored_questions(task, QUESTIONS)
        answers = client.score_batch(asked, model=model, reading=answer_format, shots=worked(task))
        for question, answer in zip(asked, answers, strict=True):
            assert isinstance(answer, Answer)
            text = prompt_text(question, worked(task), answer_format)
            letters = "ABCD"[: len(question.options)]
            if answer_format is Format.PAREN:
                identifier = next_token_logprobs(model, text)[" ("]
                assert np.log(answer.format_probability) == pytest.approx(identifier, abs=TOLERANCE)
                expected = next_token_logprobs(model, text + " (")
                wanted = [expected[letter] for letter in letters]
            else:
                expected = next_token_logprobs(model, text)
                wanted = [expected[f" {letter}"] for letter in letters]
            found = [option.logprob for option in answer.options]
            assert found == pytest.approx(wanted, abs=TOLERANCE)


def test_every_task_is_the_worlds(client: Client) -> None:
    """All seven tasks are answered, with the labels in their order."""
    for task in world.TASKS:
        answer = client.score(scored_questions(task, 1)[0], model=BASE, shots=shots(task))
        labels = [option.label for option in answer.options]
        assert labels == sorted(labels)
