"""Servers as people write them, without a word about being tested; none imports the fuzzer."""
