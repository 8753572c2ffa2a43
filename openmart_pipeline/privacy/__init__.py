"""Suppression, subject access and erasure: what is held on a person, and how it is removed."""
