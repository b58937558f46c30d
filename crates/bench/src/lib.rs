//! Measures what SPECIFICATION.md promises.
