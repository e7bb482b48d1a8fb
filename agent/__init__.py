"""Runs on a machine or a WAN node and reports what happens there."""
