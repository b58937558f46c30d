//! `madang admin`: people and what they may hold, their ways to sign in, who did what, how the service keeps house, and copies of the database.

mod announcement;
mod audit;
mod backup;
mod group;
mod key;
mod link;
mod money;
mod node;
pub(crate) mod noun;
mod organization;
mod policy;
mod project;
mod reservation;
mod retention;
mod state;
mod task;
mod token;
mod user;

use clap::{Args, Subcommand};

use crate::exit::Failure;

#[derive(Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    pub command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Organizations: list, show, make, change, archive
    Organization(organization::OrganizationArgs),
    /// Projects, and who works in them: list, show, make, change, archive
    Project(project::ProjectArgs),
    /// Users: list, show, make, change, suspend, resume, archive
    User(user::UserArgs),
    /// Tokens: list, make, revoke
    Token(token::TokenArgs),
    /// Resource policies, which say what anybody may hold: list, show, make, change, remove
    Policy(policy::PolicyArgs),
    /// Access keys: make, list, rotate, suspend, resume, remove
    Key(key::KeyArgs),
    /// Make a one-time link with which a user sets a password
    Link(link::LinkArgs),
    /// Resource groups: list, make, change how they schedule
    Group(group::GroupArgs),
    /// Who waits for room, in order
    Queue(group::QueueArgs),
    /// Nodes: list, cordon, drain, remove
    Node(node::NodeArgs),
    /// Tokens by which machines join as nodes: make, list, take back
    NodeToken(node::TokenArgs),
    /// Slots promised for a time: make, list, take back
    Reservation(reservation::ReservationArgs),
    /// What the whole service takes: everything, nothing new, nothing at all
    State(state::StateArgs),
    /// How long runs, batch results and the audit log are kept
    Retention(retention::RetentionArgs),
    /// What everybody is told: list, make, end
    Announcement(announcement::AnnouncementArgs),
    /// What the server does by itself: how it does, and doing it now
    Task(task::TaskArgs),
    /// What a unit of use costs from when on: set, list, take back
    Price(money::PriceArgs),
    /// What users and projects may spend: set, list, end
    Budget(money::BudgetArgs),
    /// What was used, by whom, and what it cost; or every record of it
    Usage(crate::usage::AdminUsageArgs),
    /// Search the audit log, newest first
    Audit(audit::AuditArgs),
    /// Copy the database into a file while servers work
    Backup(backup::BackupArgs),
    /// Put such a copy back into a database of either kind; no server may work on it
    Restore(backup::RestoreArgs),
}

pub async fn run(args: AdminArgs) -> Result<u8, Failure> {
    match args.command {
        AdminCommand::Organization(args) => organization::run(args).await,
        AdminCommand::Project(args) => project::run(args).await,
        AdminCommand::User(args) => user::run(args).await,
        AdminCommand::Token(args) => token::run(args).await,
        AdminCommand::Policy(args) => policy::run(args).await,
        AdminCommand::Retention(args) => retention::run(args).await,
        AdminCommand::State(args) => state::run(args).await,
        AdminCommand::Announcement(args) => announcement::run(args).await,
        AdminCommand::Task(args) => task::run(args).await,
        AdminCommand::Key(args) => key::run(args).await,
        AdminCommand::Link(args) => link::run(args).await,
        AdminCommand::Group(args) => group::run(args).await,
        AdminCommand::Queue(args) => group::queue(args).await,
        AdminCommand::Node(args) => node::run(args).await,
        AdminCommand::NodeToken(args) => node::token(args).await,
        AdminCommand::Reservation(args) => reservation::run(args).await,
        AdminCommand::Price(args) => money::price(args).await,
        AdminCommand::Budget(args) => money::budget(args).await,
        AdminCommand::Usage(args) => crate::usage::run_admin(args).await,
        AdminCommand::Audit(args) => audit::run(args).await,
        AdminCommand::Backup(args) => backup::run_backup(args).await,
        AdminCommand::Restore(args) => backup::run_restore(args).await,
    }
}
