"""A finished run as one self-contained page that opens offline."""

from .write import write_report as write_report
