//! Merges of made-up stacks, whose right result is known.
