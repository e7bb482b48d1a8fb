"""Receives, detects, coordinates, shows."""
