"""What happens, as a closed set of events; sinks decide what becomes of them."""
