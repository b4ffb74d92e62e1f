"""The reference model of user isolation, the golden path, and the managers that serve as standing targets."""
