"""The commands: arguments in, text out. The only place that prints."""
