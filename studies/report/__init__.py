"""The study's report: claim by claim, what the recorded results say.

`python -m studies.report` writes `build/study/report.json` and `report.html`.
"""
