//! The database: one module per noun.
