"""What the operating system grants and keeps: processors, memory, GPUs, signals, files, processes."""
