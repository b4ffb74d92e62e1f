"""The isolation model, promise by promise: what breaks it, what keeps it, boundary cases, each excuse by itself."""
