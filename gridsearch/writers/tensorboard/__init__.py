"""Write event files, start a TensorBoard, and compare what it shows with the record."""
