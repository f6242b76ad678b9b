"""What a network costs: parameters, operations, memory, latency and training speed, measured in turns."""
