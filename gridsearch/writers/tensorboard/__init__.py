"""TensorBoard: event files, a server to look at them, and the comparison of what it shows with the record."""
