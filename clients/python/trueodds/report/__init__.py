"""Reports as one HTML file and as pictures; strings only, no network and no script.

- `render`: the report of a calibrator as a page.
- `pictures`: its figures as SVG files.
- the other modules: what reports are drawn with.
"""

from trueodds.report.calibration import pictures, render

__all__ = ["pictures", "render"]
