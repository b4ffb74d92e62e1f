"""From a violation to something one can keep: made small, confirmed, saved, replayed."""
