//! Who else may reach a folder: shares, leaving, and tickets for a short time.

use madang_model::{FolderOwner, FolderPermission};
use madang_public_api::{
    FolderShareSet, FolderShareView, FolderTicketCreate, FolderTicketView, ProblemKind, Timestamp, bounds,
};
use madang_store::{FolderRecord, FolderShareRecord, StoreError};
use madang_ticket::{FolderMay, Right, Ticket};

use super::{App, Asker, Failure, folder::parts, validate};
use crate::clock::{now_ms, wall_ms};

/// No ticket is so short that it could not be used.
const TICKET_MS_MIN: u64 = 1_000;
/// Where files of folders are, below the server's address.
const STORAGE_PATH: &str = "/storage/v1";

/// With the name of the limit.
pub(super) fn shared(error: StoreError) -> Failure {
    match error {
        StoreError::Limit { .. } => Failure {
            limit: Some("FOLDER_SHARES_MAX".into()),
            field: Some("shares".into()),
            ..Failure::new(ProblemKind::Limit, error.to_string())
        },
        error => error.into(),
    }
}

impl App {
    pub async fn folder_share_list(&self, asker: &Asker, text: &str) -> Result<Vec<FolderShareView>, Failure> {
        let found = self.folder_find(asker, text).await?;
        let shares = self.store.folder_share_list(&[found.record.id]).await?;
        Ok(shares.iter().map(|share| self.folder_share_view(share)).collect())
    }

    pub async fn folder_share_set(
        &self,
        asker: &Asker,
        text: &str,
        request: FolderShareSet,
    ) -> Result<FolderShareView, Failure> {
        let record = self.folder_find(asker, text).await?.ready()?.record;
        let grantee = self.folder_grantee(asker, &record, &request)?;
        let known = self.store.folder_share_list(&[record.id]).await?;
        let changes = known.iter().any(|share| share.grantee == grantee);
        if let (FolderOwner::User(_), FolderOwner::User(_), false) = (record.owner, grantee, changes) {
            return Err(Failure::conflict("a user's folder is shared with another user by invitation: invite them"));
        }
        let share = FolderShareRecord {
            folder: record.id,
            grantee,
            permission: request.permission,
            created_by: asker.user,
            created_ms: now_ms(),
        };
        self.store.folder_share_set(&record, &share, bounds::FOLDER_SHARES_MAX).await.map_err(shared)?;
        Ok(self.folder_share_view(&share))
    }

    /// The next session of theirs has it no more, the next ticket is refused; what runs and what was given goes on.
    pub async fn folder_share_remove(
        &self,
        asker: &Asker,
        text: &str,
        grantee: &str,
    ) -> Result<FolderShareView, Failure> {
        let record = self.folder_find(asker, text).await?.record;
        let not_found = || Failure::not_found(format!("a share with {grantee}"));
        let people = self.people.now();
        let shares = self.store.folder_share_list(&[record.id]).await?;
        let id = grantee.parse::<FolderOwner>().ok();
        let named = |share: &&FolderShareRecord| match id {
            Some(id) => share.grantee == id,
            None => people.folder_owner_name(share.grantee) == grantee,
        };
        let share = shares.iter().find(named).ok_or_else(not_found)?;
        self.store.folder_share_remove(record.id, share.grantee).await?;
        Ok(self.folder_share_view(share))
    }

    /// Gives up a share of one's own.
    pub async fn folder_leave(&self, asker: &Asker, text: &str) -> Result<FolderShareView, Failure> {
        let record = self.folder_find(asker, text).await?.record;
        let shares = self.store.folder_share_list(&[record.id]).await?;
        let own = FolderOwner::User(asker.user);
        let Some(share) = shares.into_iter().find(|share| share.grantee == own) else {
            let why = match record.owner == own {
                true => "it is yours: delete it, or have an administrator give it to somebody else",
                false => "it reaches you through a project, not by a share of your own",
            };
            return Err(Failure::conflict(format!("there is nothing to leave: {why}")));
        };
        self.store.folder_share_remove(record.id, own).await?;
        Ok(self.folder_share_view(&share))
    }

    /// A right that is signed: whoever holds the files asks nobody whether it is one.
    pub async fn folder_ticket(
        &self,
        asker: &Asker,
        text: &str,
        request: FolderTicketCreate,
    ) -> Result<FolderTicketView, Failure> {
        let found = self.folder_find(asker, text).await?.ready()?;
        if !request.path.is_empty() {
            validate::folder_path("path", &request.path)?;
        }
        let ttl_ms = request.ttl_ms.unwrap_or(bounds::FOLDER_TICKET_MS_DEFAULT);
        if !(TICKET_MS_MIN..=bounds::FOLDER_TICKET_MS_MAX).contains(&ttl_ms) {
            let max = bounds::FOLDER_TICKET_MS_MAX;
            return Err(Failure::invalid("ttl_ms", format!("`ttl_ms` is between {TICKET_MS_MIN} and {max}")));
        }
        let allowed = found.allowed();
        if request.may > allowed {
            let (wanted, allowed) = (request.may.name(), allowed.name());
            return Err(Failure::forbidden(format!("you may `{allowed}` in this folder, not `{wanted}`")));
        }
        self.folder_node(found.record.node)?;
        // Whoever checks it looks at the machine's own clock.
        let expires_ms = wall_ms().saturating_add(ttl_ms);
        let may = match request.may {
            FolderPermission::Read => FolderMay::Read,
            FolderPermission::Write => FolderMay::Write,
            FolderPermission::Delete => FolderMay::Delete,
        };
        let right = Right::Folder { folder: found.record.id, path: request.path, may };
        Ok(FolderTicketView {
            url: format!("{STORAGE_PATH}/{}", found.record.id),
            ticket: self.signin.tickets.sign(&Ticket { user: asker.user, right, expires_ms }),
            expires_at: Timestamp(expires_ms),
        })
    }

    /// A user of the folder's organization who is there still.
    pub(super) fn folder_user(&self, record: &FolderRecord, text: &str) -> Result<FolderOwner, Failure> {
        let people = self.people.now();
        let user = people.user_of(text).filter(|user| user.organization == record.organization);
        let user = user.filter(|user| user.archived_ms.is_none());
        user.map(|user| FolderOwner::User(user.id)).ok_or_else(|| Failure::unknown("user", text))
    }

    /// A project of the asker's, or a user of the folder's organization.
    fn folder_grantee(
        &self,
        asker: &Asker,
        record: &FolderRecord,
        request: &FolderShareSet,
    ) -> Result<FolderOwner, Failure> {
        let people = self.people.now();
        let grantee = match (&request.user, &request.project) {
            (Some(text), None) => self.folder_user(record, text)?,
            (None, Some(text)) => {
                let project = people.project_in(record.organization, text);
                let project = project.filter(|project| asker.projects.contains_key(&project.id));
                project
                    .map(|project| FolderOwner::Project(project.id))
                    .ok_or_else(|| Failure::unknown("project", text))?
            }
            _ => return Err(Failure::invalid("user", "give `user` or `project`, one of both")),
        };
        match grantee == record.owner {
            true => Err(Failure::conflict("it is theirs already")),
            false => Ok(grantee),
        }
    }

    fn folder_share_view(&self, share: &FolderShareRecord) -> FolderShareView {
        let (user, project) = parts(share.grantee);
        FolderShareView {
            folder: share.folder,
            user,
            project,
            name: self.people.now().folder_owner_name(share.grantee),
            permission: share.permission,
            created_by: share.created_by,
            created_at: Timestamp(share.created_ms),
        }
    }
}
