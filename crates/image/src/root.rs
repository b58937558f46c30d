//! What a root file system consists of: the types are the model's, since the sandbox reads them too.

pub use madang_model::root::{Bind, Link, MOUNT_POINTS, RootPlan, directory_mode};
