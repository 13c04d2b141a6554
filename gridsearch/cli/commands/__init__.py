"""Do what each command says: take validated arguments, return an ``Answer``. ``cli`` declares them and prints."""
