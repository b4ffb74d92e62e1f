"""Executions: a target, a program and a schedule in, a history out."""
