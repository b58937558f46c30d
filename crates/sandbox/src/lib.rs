//! Slots: cgroups, namespaces, mounts, seccomp, the spawner and the pools.
