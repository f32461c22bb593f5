"""Other people's files as models and data: HS3, HistFactory XML, datacards."""

from .histfactory_xml import read_histfactory_xml as read_histfactory_xml
from .hs3 import read_hs3 as read_hs3
from .hs3 import write_hs3 as write_hs3
