"""The demonstration's past: customers and agents who never were hold a year of conversations with the real product.

See docs/demo.md. Nothing here is used outside the demonstration.
"""

from bot.simulation.cast import AGENT, CALENDAR, CHANNELS, TEAMS, desk_hours
from bot.simulation.channels import Phones
from bot.simulation.year import SMALL, Filled, Size, Step, Tell, fill

__all__ = [
    "AGENT",
    "CALENDAR",
    "CHANNELS",
    "SMALL",
    "TEAMS",
    "Filled",
    "Phones",
    "Size",
    "Step",
    "Tell",
    "desk_hours",
    "fill",
]
