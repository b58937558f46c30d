//! The madang binary: every role, one command line.
