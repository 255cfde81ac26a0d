"""The documentation's pictures, drawn from what really happens in runs that are made for them."""
