"""converter turns plans into SVG: preprocess, trace with VTracer, render with resvg, measure."""

from converter._four_tier import ConversionResult, FourTierConverter
from converter._pool import Conversion, Converter, Pending, convert_bytes, refine_bytes
from converter._refine import Limits, Refined, refine
from converter._score import quality, render, similarity, ssim
from converter._trace import Traced, run_plan

__all__ = [
    "Conversion",
    "ConversionResult",
    "Converter",
    "FourTierConverter",
    "Limits",
    "Pending",
    "Refined",
    "Traced",
    "convert_bytes",
    "quality",
    "refine",
    "refine_bytes",
    "render",
    "run_plan",
    "similarity",
    "ssim",
]
