//! The one authorization table: a row for each operation of the API.
//!
//! **To add an operation**, add its row under its `operation_id` (the handler's name):
//! `row("thing_verb", Scope, Rule, Thing)`.
//!
//! - [`Scope`]: what a token needs for it; `Read` if it changes nothing.
//! - [`Rule`]: who may. [`Rule::Anyone`] where the answer is about the asker only, or a list that is filtered by
//!   [`Actor::sight`](super::Actor::sight); [`Rule::System`] for what concerns the service as a whole. Both need nothing more.
//! - [`Thing`]: what its path names. For anything but `Nothing` the handler must find the thing through an `app` function that takes the
//!   `Asker` and asks it `asker.check(belonging, || not_found)`, as `App::session_id` does; `http` cannot, it does not know the thing.
//!
//! `crates/control/tests/service/authorization.rs` walks the OpenAPI document: it fails for an operation without its row, for a row
//! without its operation, and where the server answers anybody else than the rule says. A new kind of thing needs its sample there, an
//! operation that reads a body perhaps a sample body.

use super::{Rule, Scope};

/// What the path of an operation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thing {
    /// Nothing, or nothing that belongs to anybody.
    Nothing,
    /// A session.
    Session,
    /// A run.
    Run,
    /// An organization.
    Organization,
    /// A project.
    Project,
    /// A user.
    User,
    /// A token.
    Token,
    /// An access key.
    AccessKey,
    /// An SSH key.
    SshKey,
    /// A browser that has signed in.
    Browser,
    /// A budget of a user.
    Budget,
    /// A folder.
    Folder,
    /// An image that was made of a session.
    Image,
    /// An invitation to a folder; it belongs to whoever is invited.
    Invitation,
}

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// As the OpenAPI document calls it.
    pub operation: &'static str,
    /// What a token needs for it.
    pub scope: Scope,
    /// Who may.
    pub rule: Rule,
    /// What its path names.
    pub thing: Thing,
}

const fn row(operation: &'static str, scope: Scope, rule: Rule, thing: Thing) -> Row {
    Row { operation, scope, rule, thing }
}

/// Every operation. Kept together by noun.
pub const ROWS: &[Row] = &[
    // The service.
    row("healthz", Scope::Read, Rule::Open, Thing::Nothing),
    row("readyz", Scope::Read, Rule::Open, Thing::Nothing),
    row("version", Scope::Read, Rule::Open, Thing::Nothing),
    row("openapi_json", Scope::Read, Rule::Open, Thing::Nothing),
    row("metrics", Scope::Read, Rule::System, Thing::Nothing),
    row("language_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("app_offer_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("image_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("event_stream", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("task_list", Scope::Read, Rule::System, Thing::Nothing),
    row("process_list", Scope::Read, Rule::System, Thing::Nothing),
    row("task_run", Scope::Manage, Rule::System, Thing::Nothing),
    row("service_state_get", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("service_state_put", Scope::Manage, Rule::System, Thing::Nothing),
    row("retention_get", Scope::Read, Rule::System, Thing::Nothing),
    row("retention_put", Scope::Manage, Rule::System, Thing::Nothing),
    row("announcement_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("announcement_list_public", Scope::Read, Rule::Open, Thing::Nothing),
    row("announcement_list_all", Scope::Read, Rule::System, Thing::Nothing),
    row("announcement_create", Scope::Manage, Rule::System, Thing::Nothing),
    row("announcement_end", Scope::Manage, Rule::System, Thing::Nothing),
    // Runs.
    row("run_one_shot", Scope::Run, Rule::Anyone, Thing::Nothing),
    row("run_get", Scope::Read, Rule::Work, Thing::Run),
    row("run_cancel", Scope::Run, Rule::Work, Thing::Run),
    row("run_events", Scope::Read, Rule::Work, Thing::Run),
    row("run_attach", Scope::Run, Rule::Inside, Thing::Run),
    row("run_given", Scope::Read, Rule::Inside, Thing::Run),
    row("run_share_list", Scope::Read, Rule::Inside, Thing::Run),
    row("run_share_create", Scope::Run, Rule::Inside, Thing::Run),
    row("run_share_remove", Scope::Run, Rule::Inside, Thing::Run),
    row("shared_run_get", Scope::Read, Rule::Open, Thing::Nothing),
    // Sessions.
    row("session_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("session_create", Scope::Run, Rule::Anyone, Thing::Nothing),
    row("session_get", Scope::Read, Rule::Work, Thing::Session),
    row("session_end", Scope::Run, Rule::Work, Thing::Session),
    row("session_logs", Scope::Read, Rule::Work, Thing::Session),
    row("session_run_list", Scope::Read, Rule::Work, Thing::Session),
    row("session_usage", Scope::Read, Rule::Work, Thing::Session),
    row("session_extend", Scope::Run, Rule::Inside, Thing::Session),
    row("session_suspend", Scope::Run, Rule::Inside, Thing::Session),
    row("session_resume", Scope::Run, Rule::Inside, Thing::Session),
    row("session_restart", Scope::Run, Rule::Inside, Thing::Session),
    row("session_interrupt", Scope::Run, Rule::Inside, Thing::Session),
    row("session_complete", Scope::Run, Rule::Inside, Thing::Session),
    row("session_run", Scope::Run, Rule::Inside, Thing::Session),
    row("session_terminal", Scope::Run, Rule::Inside, Thing::Session),
    row("session_language_service", Scope::Run, Rule::Inside, Thing::Session),
    row("app_list", Scope::Read, Rule::Inside, Thing::Session),
    row("app_create", Scope::Run, Rule::Inside, Thing::Session),
    row("app_remove", Scope::Run, Rule::Inside, Thing::Session),
    row("session_port", Scope::Run, Rule::Inside, Thing::Session),
    row("file_list", Scope::Read, Rule::Inside, Thing::Session),
    row("file_read", Scope::Read, Rule::Inside, Thing::Session),
    row("file_write", Scope::Run, Rule::Inside, Thing::Session),
    row("file_remove", Scope::Run, Rule::Inside, Thing::Session),
    // Images.
    row("image_get", Scope::Read, Rule::FolderSee, Thing::Image),
    row("image_export", Scope::Read, Rule::FolderUse, Thing::Image),
    row("image_change", Scope::Run, Rule::FolderManage, Thing::Image),
    row("image_prefetch", Scope::Manage, Rule::System, Thing::Image),
    row("image_remove", Scope::Run, Rule::FolderManage, Thing::Image),
    row("session_commit", Scope::Run, Rule::Inside, Thing::Session),
    // Folders.
    row("folder_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("folder_create", Scope::Run, Rule::FolderMake, Thing::Project),
    row("folder_get", Scope::Read, Rule::FolderSee, Thing::Folder),
    row("folder_change", Scope::Run, Rule::FolderManage, Thing::Folder),
    row("folder_trash", Scope::Run, Rule::FolderManage, Thing::Folder),
    row("folder_restore", Scope::Run, Rule::FolderManage, Thing::Folder),
    row("folder_purge", Scope::Run, Rule::FolderManage, Thing::Folder),
    row("folder_clone", Scope::Run, Rule::FolderUse, Thing::Folder),
    row("folder_owner_change", Scope::Manage, Rule::FolderTransfer, Thing::Folder),
    row("folder_share_list", Scope::Read, Rule::FolderSee, Thing::Folder),
    row("folder_share_set", Scope::Run, Rule::FolderShare, Thing::Folder),
    row("folder_share_remove", Scope::Run, Rule::FolderShare, Thing::Folder),
    row("folder_leave", Scope::Run, Rule::FolderSee, Thing::Folder),
    row("folder_ticket_create", Scope::Run, Rule::FolderUse, Thing::Folder),
    row("folder_invite", Scope::Run, Rule::FolderShare, Thing::Folder),
    row("folder_invitation_withdraw", Scope::Run, Rule::FolderShare, Thing::Folder),
    row("folder_quota_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("invitation_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("invitation_accept", Scope::Run, Rule::Inside, Thing::Invitation),
    row("invitation_decline", Scope::Run, Rule::Inside, Thing::Invitation),
    // Signing in. Where the body or the query names the user, the thing is the user.
    row("signin_create", Scope::Secret, Rule::Open, Thing::Nothing),
    row("link_use", Scope::Secret, Rule::Open, Thing::Nothing),
    row("provider_list", Scope::Read, Rule::Open, Thing::Nothing),
    row("provider_begin", Scope::Read, Rule::Open, Thing::Nothing),
    row("provider_end", Scope::Read, Rule::Open, Thing::Nothing),
    row("signin_get", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("signin_end", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("browser_list", Scope::Read, Rule::UserSee, Thing::User),
    row("browser_end", Scope::Secret, Rule::UserOwn, Thing::Browser),
    row("password_change", Scope::Secret, Rule::Anyone, Thing::Nothing),
    row("link_create", Scope::Secret, Rule::UserManage, Thing::User),
    row("access_key_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("access_key_create", Scope::Secret, Rule::UserOwn, Thing::User),
    row("access_key_rotate", Scope::Secret, Rule::UserOwn, Thing::AccessKey),
    row("access_key_suspend", Scope::Secret, Rule::UserOwn, Thing::AccessKey),
    row("access_key_resume", Scope::Secret, Rule::UserOwn, Thing::AccessKey),
    row("access_key_remove", Scope::Secret, Rule::UserOwn, Thing::AccessKey),
    row("ssh_key_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("ssh_key_create", Scope::Secret, Rule::UserOwn, Thing::User),
    row("ssh_key_remove", Scope::Secret, Rule::UserOwn, Thing::SshKey),
    // Who did what.
    row("audit_list", Scope::Read, Rule::OrganizationManage, Thing::Nothing),
    // People.
    row("me_get", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("organization_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("organization_create", Scope::Manage, Rule::System, Thing::Nothing),
    row("organization_get", Scope::Read, Rule::OrganizationSee, Thing::Organization),
    row("organization_change", Scope::Manage, Rule::System, Thing::Organization),
    row("organization_archive", Scope::Manage, Rule::System, Thing::Organization),
    row("project_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("project_create", Scope::Manage, Rule::OrganizationManage, Thing::Nothing),
    row("project_get", Scope::Read, Rule::ProjectSee, Thing::Project),
    row("project_change", Scope::Manage, Rule::ProjectChange, Thing::Project),
    row("project_archive", Scope::Manage, Rule::ProjectChange, Thing::Project),
    row("member_list", Scope::Read, Rule::ProjectSee, Thing::Project),
    row("member_set", Scope::Manage, Rule::ProjectManage, Thing::Project),
    row("member_remove", Scope::Manage, Rule::ProjectManage, Thing::Project),
    row("user_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("user_create", Scope::Manage, Rule::OrganizationManage, Thing::Nothing),
    row("user_get", Scope::Read, Rule::UserSee, Thing::User),
    row("user_change", Scope::Manage, Rule::UserManage, Thing::User),
    row("user_archive", Scope::Manage, Rule::UserManage, Thing::User),
    row("resource_group_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("resource_group_get", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("resource_group_set", Scope::Manage, Rule::System, Thing::Nothing),
    row("reservation_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("reservation_create", Scope::Manage, Rule::System, Thing::Nothing),
    row("reservation_end", Scope::Manage, Rule::System, Thing::Nothing),
    row("usage_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("usage_record_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("price_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("price_create", Scope::Manage, Rule::System, Thing::Nothing),
    row("price_remove", Scope::Manage, Rule::System, Thing::Nothing),
    row("budget_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("budget_create", Scope::Manage, Rule::UserOwn, Thing::User),
    row("budget_remove", Scope::Manage, Rule::UserOwn, Thing::Budget),
    row("node_list", Scope::Read, Rule::System, Thing::Nothing),
    row("node_get", Scope::Read, Rule::System, Thing::Nothing),
    row("node_change", Scope::Manage, Rule::System, Thing::Nothing),
    row("node_remove", Scope::Manage, Rule::System, Thing::Nothing),
    row("node_token_list", Scope::Read, Rule::System, Thing::Nothing),
    row("node_token_create", Scope::Secret, Rule::System, Thing::Nothing),
    row("node_token_remove", Scope::Manage, Rule::System, Thing::Nothing),
    row("queue_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("policy_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("policy_get", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("policy_set", Scope::Manage, Rule::System, Thing::Nothing),
    row("policy_remove", Scope::Manage, Rule::System, Thing::Nothing),
    row("token_list", Scope::Read, Rule::Anyone, Thing::Nothing),
    row("token_create", Scope::Secret, Rule::Anyone, Thing::Nothing),
    row("token_revoke", Scope::Secret, Rule::UserOwn, Thing::Token),
];

/// The row of an operation.
#[must_use]
pub fn find(operation: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.operation == operation)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_one_row() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.operation).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS {
            let alone = matches!(row.rule, Rule::Open | Rule::Anyone | Rule::System);
            assert!(alone || row.thing != Thing::Nothing || row.rule == Rule::OrganizationManage, "{row:?}");
        }
    }
}
