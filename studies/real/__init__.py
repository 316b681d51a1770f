"""The paper's study on real models: Gemma 3 270M, what alignment makes of it, and SmolLM2-135M.

`make study-real` reads the models through the service, on a GPU, into `studies/results/real.npz`;
`make study` makes the report of it, on any machine. SmolLM2's answers in conversations lie beside
it in `real_chat.npz`, and in `real_tokens.npz` how many tokens an engine computes for each of
MMLU's questions.
"""
