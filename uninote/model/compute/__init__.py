"""How models compute: device, precision, batches, and the faster library for products."""
