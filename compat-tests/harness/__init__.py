"""Starts brokers and runs unmodified clients against them."""
