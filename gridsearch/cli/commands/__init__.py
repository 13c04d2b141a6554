"""What each command does, from validated arguments to what is printed; ``cli`` declares them."""
