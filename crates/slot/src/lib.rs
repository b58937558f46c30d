//! The init inside every slot: a small static program.
