"""The report: one HTML page that shows how a published database stands, in counts.

Lives here: the way in. Numbers, charts and the page are modules beside. It names files and job titles, no person.
"""

from openmart_pipeline.report.numbers import read_numbers
from openmart_pipeline.report.page import report_page

__all__ = ["read_numbers", "report_page"]
