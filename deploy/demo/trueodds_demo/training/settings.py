"""Every number of the recipe. The shipped models are what the defaults give."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Shape:
    """The base model: Llama's architecture, small enough to ship and to run on a CPU.

    Heads are 64 wide because vLLM's CPU attention wants multiples of 32.
    """

    vocabulary: int = 1280
    hidden: int = 192
    intermediate: int = 512
    layers: int = 5
    heads: int = 3
    key_value_heads: int = 3
    positions: int = 4096


@dataclass(frozen=True, slots=True)
class Pretraining:
    """Next-token prediction over ``steps`` batches, each read once: nothing can be overfitted."""

    steps: int = 6000
    batch: int = 64
    window: int = 640
    learning_rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 0.05
    tokenizer_documents: int = 20_000


@dataclass(frozen=True, slots=True)
class Alignment:
    """SFT teaches the format ``(A)``; DPO then prefers the drawn label to another one.

    At its optimum DPO turns p into p^(1 + 1/beta), renormalised: ``beta`` therefore decides how
    overconfident the aligned model is, and 1 + 1/beta is the temperature that repairs it.
    """

    rank: int = 8
    sft_steps: int = 100
    sft_learning_rate: float = 1e-3
    dpo_steps: int = 300
    dpo_learning_rate: float = 1e-3
    beta: float = 0.5
    batch: int = 256
    warmup: int = 20
    # Half of the prompts have no worked example, the others one to this many.
    most_shots: int = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """The whole recipe and its seed."""

    seed: int = 0
    # Held-out questions a task that the figures are measured on.
    questions: int = 2000
    shape: Shape = field(default_factory=Shape)
    pretraining: Pretraining = field(default_factory=Pretraining)
    alignment: Alignment = field(default_factory=Alignment)

    def scaled(self, scale: float) -> "Recipe":
        """The same recipe with every count of steps, documents and questions times ``scale``."""

        def times(count: int) -> int:
            return max(1, round(count * scale))

        pretraining, alignment = self.pretraining, self.alignment
        return replace(
            self,
            questions=times(self.questions),
            pretraining=replace(
                pretraining,
                steps=times(pretraining.steps),
                warmup=times(pretraining.warmup),
                tokenizer_documents=max(1000, times(pretraining.tokenizer_documents)),
            ),
            alignment=replace(
                alignment,
                sft_steps=times(alignment.sft_steps),
                dpo_steps=times(alignment.dpo_steps),
                warmup=times(alignment.warmup),
            ),
        )
