//! Language recipes: data, and the parser for it.
