//! The database: what is wanted and what was done. One module per noun, row types private.
//!
//! Only `control` calls it. SQLite now (write-ahead log, one writer), PostgreSQL later: nothing here depends on a dialect but
//! [`connect`]. It never knows HTTP or a node, and decides nothing: it keeps records, compares generations and refuses clashes.
//! Start at [`Store`].

mod connect;
mod error;
mod idempotency;
mod migration;
mod run;
mod run_writer;
mod session;
mod token;

pub use connect::{Store, StoreConfig};
pub use error::StoreError;
pub use idempotency::{Claim, IdempotencyRecord};
pub use run::RunRecord;
pub use session::{SessionPage, SessionRecord};
pub use token::TokenRecord;
