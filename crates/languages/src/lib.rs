//! Recipes: how a programming language is built, run and conversed with, as data in `languages/*.toml`, and how an app is started, in
//! `apps/*.toml`.
//!
//! The node calls this crate to learn what it can run, control to plan a batch and to tell clients. It reads recipe files
//! and asks installed tools for their version; it never starts a program of a user and never touches a sandbox.
//! Start at [`recipe`] for the format (docs/design/0002-driver-protocol.md explains it), at [`plan`] for what a batch does.

pub mod app;
pub mod availability;
pub mod embedded;
pub mod load;
pub mod plan;
pub mod recipe;

pub use app::{AppPlace, AppRecipe};
pub use availability::{Availability, check, check_all};
pub use embedded::{embedded, embedded_apps, extract_to};
pub use load::{LoadError, Problem, load_dir};
pub use plan::{BatchPlan, language_for, plan_batch};
pub use recipe::{Batch, Driver, Mode, Recipe, Service};
