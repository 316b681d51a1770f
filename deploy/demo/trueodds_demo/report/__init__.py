"""The demo's report: what a run found, as JSON, as a page, and as a picture.

- `Report`, `TaskResult`, `Bin`, `Example`: the record, with `to_json` and `from_json`.
- `render`: the self-contained HTML page.
- `hero_svg`: the pooled reliability diagrams as a picture that stands alone.
"""

from trueodds_demo.report.hero import hero_svg
from trueodds_demo.report.model import Bin, Example, Report, TaskResult
from trueodds_demo.report.page import render

__all__ = ["Bin", "Example", "Report", "TaskResult", "hero_svg", "render"]
