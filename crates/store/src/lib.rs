//! The database: what is wanted and what was done. One module per noun, row types private.
//!
//! Only `control` calls it. SQLite (write-ahead log, one writer) or PostgreSQL (several servers): one set of tables and statements for
//! both, and nothing depends on a dialect but [`connect`] and [`migration`]. It never knows HTTP or a node, and decides nothing: it keeps records, compares generations and refuses clashes.
//! Start at [`Store`].

mod access_key;
mod announcement;
mod audit;
mod audit_writer;
pub mod backup;
mod connect;
mod control_process;
mod directory;
mod error;
mod hint;
mod idempotency;
mod lease;
mod link;
mod membership;
mod migration;
mod node;
mod observe;
mod organization;
mod owner;
mod place;
mod policy;
mod project;
mod provider_user;
mod reservation;
mod resource_group;
mod run;
mod run_writer;
mod secret;
mod server_key;
mod service;
mod session;
mod session_admit;
mod session_list;
mod signin;
mod token;
mod usage;
mod usage_count;
mod usage_read;
mod user;

pub use access_key::AccessKeyRecord;
pub use announcement::{AnnouncementPage, AnnouncementRecord};
pub use audit::{AuditOutcome, AuditQuery, AuditRecord};
pub use connect::Store;
pub use control_process::{ControlHello, ControlProcess};
pub use error::StoreError;
pub use hint::{Hint, Hints};
pub use idempotency::{Claim, IdempotencyRecord};
pub use lease::{Fence, Lease, LeaseView};
pub use link::LinkRecord;
pub use membership::MembershipRecord;
pub use node::NodeRecord;
pub use observe::Asked;
pub use organization::OrganizationRecord;
pub use place::{StoreConfig, StoreConfigError};
pub use policy::PolicyRecord;
pub use project::ProjectRecord;
pub use provider_user::ProviderUserRecord;
pub use reservation::ReservationRecord;
pub use resource_group::ResourceGroupRecord;
pub use run::RunRecord;
pub use server_key::ServerKeyRecord;
pub use service::ServiceRecord;
pub use session::SessionRecord;
pub use session_admit::Admit;
pub use session_list::{SessionAfter, SessionOrder, SessionPage};
pub use signin::{Attempt, AttemptDelay, SigninRecord};
pub use token::TokenRecord;
pub use usage::UsageRecord;
pub use usage_count::{Counted, UsageSource};
pub use usage_read::{UsageAfter, UsageBy, UsagePage, UsageQuery, UsageTotal};
pub use user::UserRecord;
