"""The paper's schemes of alignment, and one as models are aligned."""

# The stages of each: how it is trained, and which tokens carry the loss or the preference.
SCHEMES = {
    "sft-format": [("sft", "format")],
    "sft-choice": [("sft", "choice")],
    "sft-mixed": [("sft", "mixed")],
    "dpo-format": [("dpo", "format")],
    "dpo-choice": [("dpo", "choice")],
    "dpo-mixed": [("dpo", "mixed")],
}
# Taught to answer, then to prefer the better of two answers.
REALISTIC = "sft-then-dpo"
TRAINED = SCHEMES | {REALISTIC: [("sft", "mixed"), ("dpo", "choice")]}
