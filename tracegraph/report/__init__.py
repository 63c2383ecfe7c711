"""The interactive report: one HTML file that shows a graph, its passes, its costs and its source.

``report_call`` stands behind ``step.report(...)`` and ``report_graph`` behind the command line. The
page's own code is in ``assets/``, bundled when the package is built: see
``scripts/build-report-assets``.
"""

from tracegraph.report.document import Report
from tracegraph.report.make import Extras, report_call, report_graph

__all__ = ["Extras", "Report", "report_call", "report_graph"]
