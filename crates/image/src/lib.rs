//! Images: pull, import, unpack, commit, export, push, the host image.
//!
//! `node` calls it. It turns the name of an image into a [`RootPlan`]: plain facts about a root file system that `sandbox` mounts.
//! It never mounts, never runs anything from an image, and never trusts one: what a registry or an archive says is checked as if
//! an enemy had said it. Start at [`host::root_plan`] and [`ImageStore`].

mod archive;
mod commit;
mod digest;
mod document;
mod error;
mod export;
#[doc(hidden)]
pub mod fuzz;
pub mod host;
mod limits;
mod progress;
mod pull;
mod push;
mod reference;
mod registry;
pub mod root;
mod store;
mod stream;
mod tar;
mod unpack;

pub use commit::{CommitLimits, LeftOut, Packed, Secret, Told};
pub use digest::Digest;
pub use error::{ImageError, Refusal};
pub use export::Exported;
pub use limits::ImageLimits;
pub use progress::{Progress, ProgressStep};
pub use pull::{PullOptions, Transport};
pub use push::{Pushed, push};
pub use reference::{BadReference, Reference};
pub use registry::Credentials;
pub use root::{Bind, Link, RootPlan};
pub use store::{GcReport, ImageCatalog, ImageEntry, ImageStore};
