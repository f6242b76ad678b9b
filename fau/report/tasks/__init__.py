"""Rows of valence and arousal and of several tasks in one network, whose runs are sums by group."""
