"""Ensembles of finished runs: the mean of their scores, weighted or not, as runs of their own.

Text 001 (Galagain, 2023) averages ten networks and weighs each network's vote for a class by its accuracy on that
class. Everything comes from the members' ``predictions.npz``; nothing is trained or predicted, and torch is not needed.
The result is a run directory like any other, so reports show it as a row and test it against its members.
"""
