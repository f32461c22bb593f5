"""HistFactory's XML with its ROOT files, as `hist2workspace` takes them."""

from .read import read_histfactory_xml as read_histfactory_xml
