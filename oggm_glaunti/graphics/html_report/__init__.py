"""The report of a region as one HTML file: what lies beside its dataset, arrays, map, figures, page."""
