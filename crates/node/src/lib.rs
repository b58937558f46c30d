//! The agent of one machine: pools, sandboxes, runs.
