"""One small chat for each framework and server: what anybody says goes to everybody who is there; none has a fault."""
