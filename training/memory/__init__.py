"""The memory that training takes on a device, and what is chosen by it."""
