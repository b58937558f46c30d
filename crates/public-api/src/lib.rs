//! The public HTTP contract: what clients send, what they get, and the bounds of both.
//!
//! `control` answers with these types, `client` and the SDKs read them, the OpenAPI document is generated from them.
//! Nothing here does IO or knows a store. Requests refuse unknown fields; answers may grow fields.
//! Start at [`run`] for executions, at [`session`] for environments, at [`problem`] for what may go wrong.

pub mod app;
pub mod audit;
pub mod bounds;
pub mod cluster;
pub mod event;
pub mod file;
pub mod folder;
mod image;
pub mod language;
pub mod money;
pub mod network;
pub mod node;
pub mod page;
pub mod people;
pub mod policy;
pub mod problem;
pub mod reservation;
pub mod resource_group;
pub mod run;
pub mod run_fold;
pub mod run_share;
pub mod service;
pub mod session;
pub mod signature;
pub mod signin;
pub mod system;
pub mod task;
pub mod timestamp;
pub mod usage;

pub use app::{AppCreate, AppOffer, AppView};
pub use audit::{AuditEntry, AuditOutcome};
pub use cluster::{ClusterCreate, ClusterMode, ClusterView, SandboxView};
pub use event::{ServerEvent, ServerEventBody};
pub use file::{FileEntry, FileWritten};
pub use folder::{
    FolderChange, FolderClone, FolderCreate, FolderOwnerChange, FolderQuotaView, FolderShareSet, FolderShareView,
    FolderTicketCreate, FolderTicketView, FolderView, InvitationCreate, InvitationView, MountCreate, MountView,
};
pub use image::{
    ImageChange, ImageCommitted, ImageFile, ImagePlaced, ImagePrefetch, ImagePrefetched, ImageView, SessionCommit,
    SessionCommitted,
};
pub use language::{LanguageServiceEnded, LanguageServiceView, LanguageView};
pub use money::{BudgetCreate, BudgetView, CostEstimate, PriceCreate, PriceView};
pub use network::{NetworkAllow, NetworkAsked, NetworkPolicy};
pub use page::Page;
pub use people::{
    MeView, MembershipSet, MembershipView, NamedChange, OrganizationCreate, OrganizationView, ProjectCreate,
    ProjectView, TokenCreate, TokenMade, TokenView, UserChange, UserCreate, UserView,
};
pub use policy::{PolicyView, SessionExplained};
pub use problem::{Problem, ProblemKind};
pub use reservation::{ReservationCreate, ReservationPossible, ReservationView};
pub use resource_group::{Placement, Preference, QueueOrder, ResourceGroupSettings, ResourceGroupView};
pub use run::{CompleteRequest, CompletionsView, OneShotRequest, RunMode, RunRequest, RunState, RunView, StreamEvent};
pub use run_fold::RunFold;
pub use run_share::{RunGiven, RunShareCreate, RunShareView, RunSummary, SharedRun};
pub use service::{AnnouncementCreate, AnnouncementView, RetentionView, ServiceStateChange, ServiceStateView};
pub use session::{
    DeviceHeldView, OnNodeLoss, QueueView, Resources, SessionCreate, SessionExtend, SessionKind, SessionState,
    SessionView,
};
pub use signin::{
    AccessKeyCreate, AccessKeyMade, AccessKeyView, BrowserView, KeySigning, LinkCreate, LinkKind, LinkMade, LinkUse,
    LinkUsed, PasswordChange, ProviderView, SigninRequest, SigninView, SshKeyCreate, SshKeyView,
};
pub use task::{ProcessView, TaskResult, TaskRun, TaskView};
pub use timestamp::Timestamp;
pub use usage::{Day, UsageBy, UsageEntry, UsageFormat, UsageSum, UsageSums};

/// Where every route but health and metrics lives.
pub const BASE_PATH: &str = "/api/v1";
