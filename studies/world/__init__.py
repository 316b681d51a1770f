"""The paper's study in the demo's world: three pre-trained models, and what alignment makes of one.

`make study-train` trains what lies in `studies/world/weights`; `make study` reads it, with the
demo pair, and makes the report of it.
"""
