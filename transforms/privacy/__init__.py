"""Personal data and opt-out lists."""
