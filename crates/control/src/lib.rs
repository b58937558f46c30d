//! The control plane: HTTP, application, tasks.
