//! What may be said about folders.

use clap::{Args, Subcommand, ValueEnum};
use madang_model::{FolderMode, FolderPermission};

use super::{files::FilesCommand, share::ShareCommand};
use crate::args::{JsonArgs, OnOff};

#[derive(Debug, Args)]
pub struct FolderArgs {
    #[command(subcommand)]
    pub command: FolderCommand,
}

#[derive(Debug, Subcommand)]
pub enum FolderCommand {
    /// Make a folder; one whose name begins with a dot mounts itself in every session of yours
    Create(NewArgs),
    /// List folders that you may reach
    Ls {
        /// All of a user's or a project's, for those who may know of them
        #[arg(long)]
        owner: Option<String>,
        /// Those in the trash
        #[arg(long)]
        trashed: bool,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show one folder and what it holds
    Info {
        folder: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Call a folder something else
    Rename { folder: String, name: String },
    /// Change what a folder is for and what members of its project may do
    Set {
        folder: String,
        #[arg(long)]
        mode: Option<Mode>,
        /// What members of its project may do with what is in it
        #[arg(long, value_name = "PERMISSION")]
        members: Option<Permission>,
        /// Whether those who may only read it may copy it
        #[arg(long)]
        cloneable: Option<OnOff>,
    },
    /// Bring folders to the trash
    Rm {
        #[arg(required = true)]
        folders: Vec<String>,
    },
    /// Bring a folder back from the trash
    Restore { folder: String },
    /// Remove a folder in the trash for good
    Purge { folder: String },
    /// Make a folder with a copy of what is in another
    Clone {
        folder: String,
        name: String,
        /// The project that the copy is for; you where left out
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Give a folder to another owner; for administrators
    Give {
        folder: String,
        #[arg(long, required_unless_present = "project", conflicts_with = "project")]
        user: Option<String>,
        #[arg(long)]
        project: Option<String>,
    },
    /// Say what your folders hold and may hold
    Usage {
        #[command(flatten)]
        json: JsonArgs,
    },
    #[command(flatten)]
    Share(ShareCommand),
    #[command(flatten)]
    Files(FilesCommand),
}

#[derive(Debug, Args)]
pub struct NewArgs {
    pub name: String,
    /// The project that it is for; you where left out
    #[arg(long)]
    pub project: Option<String>,
    /// What it is for
    #[arg(long)]
    pub mode: Option<Mode>,
    /// What members of its project may do with what is in it [default: write]
    #[arg(long, value_name = "PERMISSION")]
    pub members: Option<Permission>,
    /// Those who may only read it may copy it
    #[arg(long)]
    pub cloneable: bool,
    #[command(flatten)]
    pub json: JsonArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Mode {
    General,
    Data,
    Model,
}

impl From<Mode> for FolderMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::General => Self::General,
            Mode::Data => Self::Data,
            Mode::Model => Self::Model,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Permission {
    Read,
    Write,
    Delete,
}

impl From<Permission> for FolderPermission {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Read => Self::Read,
            Permission::Write => Self::Write,
            Permission::Delete => Self::Delete,
        }
    }
}
