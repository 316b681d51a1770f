"""What the study does alike wherever it looks: real models, and the demo's world.

The paper's schemes of alignment and how they are trained, readings of models, and what is measured
on them: effects, methods from few questions, and the decomposition.
"""
