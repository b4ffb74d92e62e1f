"""Hypothesis strategies: the stateful machines that generate programs for a target."""

from .machine import Check, ProgramMachine
from .rules import machine_for

__all__ = ("Check", "ProgramMachine", "machine_for")
