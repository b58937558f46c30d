//! The public HTTP contract.
