"""Small servers, each with one fault of housekeeping or none, for the tests of what is reported of them."""
