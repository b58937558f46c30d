//! Typed ids, sizes and durations.
//!
//! Every other crate names things with these types; this one depends on nothing of ours and never touches IO.
//! Start at [`id`] for `ses_…` and friends, at [`size`] for `512MiB` and `90s`.

pub mod id;
pub mod size;

pub use id::{
    AnnouncementId, AppId, AuditId, BudgetId, ControlId, FolderId, IdError, ImageId, InvitationId, LinkId, NodeId,
    OrganizationId, PriceId, ProjectId, ReservationId, RunId, SandboxId, SessionId, ShareId, SigninId, SshKeyId,
    TokenId, UserId,
};
pub use size::{ByteSize, Millis, SizeError};
