"""One HTML file that tells what campaigns found."""

from .html import html_report, regression_test

__all__ = ("html_report", "regression_test")
