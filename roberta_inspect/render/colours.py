"""The colours of a terminal, of the 256 that no theme changes: readable on white and on black.

A theme's own yellow, green or cyan may be anything, and mostly is too light for a white terminal.
"""

GOOD = "color(28)"
BAD = "color(160)"
DOUBT = "color(130)"
NAME = "color(31)"
"""Names, places and hints: what is neither good nor bad."""
