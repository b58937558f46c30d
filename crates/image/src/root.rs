//! What a root file system consists of: the types are the model's, since the sandbox reads them too.

mod find;

pub use find::has_file;
pub use madang_model::root::{Bind, Link, MOUNT_POINTS, RootPlan, directory_mode};
