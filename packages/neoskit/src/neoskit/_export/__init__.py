"""A trained pipeline as files that others read, without neoskit."""

from .hepdata import export_hepdata as export_hepdata
from .histograms import export_root as export_root
from .histograms import export_uhi as export_uhi
from .histograms import histograms as histograms
from .observable import export_onnx as export_onnx
from .observable import export_stablehlo as export_stablehlo
from .workspace import export_workspace as export_workspace
