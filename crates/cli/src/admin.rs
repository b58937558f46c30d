//! `madang admin`: people's ways to sign in, who did what, and copies of the database.

mod audit;
mod backup;
mod group;
mod key;
mod link;
mod reservation;

use clap::{Args, Subcommand};

use crate::exit::Failure;

#[derive(Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    pub command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Access keys: make, list, rotate, suspend, resume, remove
    Key(key::KeyArgs),
    /// Make a one-time link with which a user sets a password
    Link(link::LinkArgs),
    /// Resource groups: list, make, change how they schedule
    Group(group::GroupArgs),
    /// Who waits for room, in order
    Queue(group::QueueArgs),
    /// Slots promised for a time: make, list, take back
    Reservation(reservation::ReservationArgs),
    /// Search the audit log, newest first
    Audit(audit::AuditArgs),
    /// Copy the database into a file while servers work
    Backup(backup::BackupArgs),
    /// Put such a copy back into a database of either kind; no server may work on it
    Restore(backup::RestoreArgs),
}

pub async fn run(args: AdminArgs) -> Result<u8, Failure> {
    match args.command {
        AdminCommand::Key(args) => key::run(args).await,
        AdminCommand::Link(args) => link::run(args).await,
        AdminCommand::Group(args) => group::run(args).await,
        AdminCommand::Queue(args) => group::queue(args).await,
        AdminCommand::Reservation(args) => reservation::run(args).await,
        AdminCommand::Audit(args) => audit::run(args).await,
        AdminCommand::Backup(args) => backup::run_backup(args).await,
        AdminCommand::Restore(args) => backup::run_restore(args).await,
    }
}
