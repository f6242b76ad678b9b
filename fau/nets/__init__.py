"""Networks: pure torch, one architecture a file."""
