"""The reference model of user isolation, the golden path, and the managers that serve as bundled targets."""
