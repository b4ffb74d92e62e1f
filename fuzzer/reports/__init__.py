"""What was found, for people and for CI systems: HTML, pictures, JUnit XML, GitHub."""
