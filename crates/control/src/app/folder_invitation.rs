//! Invitations to folders of users: sent, accepted, declined, withdrawn, expired.

use madang_ids::{InvitationId, UserId};
use madang_model::{
    Decision, FolderOwner, SignedInBy,
    access::{Belonging, Rule},
};
use madang_public_api::{InvitationCreate, InvitationView, Timestamp, bounds};
use madang_store::{FolderRecord, InvitationRecord, InvitationState};

use super::{App, Asker, Failure, folder_share::shared, validate};
use crate::clock::now_ms;

/// No invitation is so short that nobody could read it.
const INVITATION_MS_MIN: u64 = 1_000;

impl App {
    pub async fn folder_invite(
        &self,
        asker: &Asker,
        text: &str,
        request: InvitationCreate,
    ) -> Result<InvitationView, Failure> {
        let record = self.folder_find(asker, text).await?.ready()?.record;
        if let FolderOwner::Project(_) = record.owner {
            return Err(Failure::conflict("a project's folder is shared with a user at once: no invitation is needed"));
        }
        let people = self.people.now();
        let invitee = people.user_of(&request.user).filter(|user| user.organization == record.organization);
        let invitee = invitee.filter(|user| user.is_active());
        let invitee = invitee.ok_or_else(|| Failure::unknown("user", &request.user))?.id;
        if FolderOwner::User(invitee) == record.owner {
            return Err(Failure::conflict("it is theirs already"));
        }
        let shares = self.store.folder_share_list(&[record.id]).await?;
        if shares.iter().any(|share| share.grantee == FolderOwner::User(invitee)) {
            return Err(Failure::conflict("it is shared with them already: change or end that share"));
        }
        validate::at_most("shares", shares.len() + 1, bounds::FOLDER_SHARES_MAX, "FOLDER_SHARES_MAX")?;
        let lasts_ms = request.expires_in_ms.unwrap_or(bounds::INVITATION_MS_DEFAULT);
        if !(INVITATION_MS_MIN..=bounds::INVITATION_MS_MAX).contains(&lasts_ms) {
            let max = bounds::INVITATION_MS_MAX;
            let detail = format!("`expires_in_ms` is between {INVITATION_MS_MIN} and {max}");
            return Err(Failure::invalid("expires_in_ms", detail));
        }
        let now = now_ms();
        let invitation = InvitationRecord {
            id: InvitationId::new(),
            folder: record.id,
            invitee,
            permission: request.permission,
            state: InvitationState::Pending,
            created_by: asker.user,
            created_ms: now,
            expires_ms: now.saturating_add(lasts_ms),
            decided_ms: None,
        };
        self.store.invitation_insert(&invitation).await?;
        Ok(self.invitation_view(&invitation, record.name))
    }

    /// What the asker was sent and has sent, the newest first.
    pub async fn invitation_list(&self, asker: &Asker) -> Result<Vec<InvitationView>, Failure> {
        let mut views = Vec::new();
        for invitation in self.store.invitation_list(asker.user, bounds::INVITATIONS_MAX).await? {
            let folder = self.store.folder_get(invitation.folder).await?;
            views.extend(folder.map(|folder| self.invitation_view(&invitation, folder.name)));
        }
        Ok(views)
    }

    /// The invitee's answer; a share comes of it, or nothing.
    pub async fn invitation_answer(
        &self,
        asker: &Asker,
        id: InvitationId,
        answer: InvitationState,
    ) -> Result<InvitationView, Failure> {
        let not_found = || Failure::not_found(format!("invitation {id}"));
        let invitation = self.store.invitation_get(id).await?.ok_or_else(not_found)?;
        let organization = self.people.now().users.get(&invitation.invitee).map(|user| user.organization);
        let organization = organization.ok_or_else(not_found)?;
        asker.check(Belonging { user: Some(invitation.invitee), project: None, organization }, not_found)?;
        let folder = self.store.folder_get(invitation.folder).await?.ok_or_else(not_found)?;
        if answer == InvitationState::Accepted {
            if !folder.state.is_living() {
                return Err(Failure::conflict("the folder is in the trash"));
            }
            if !self.may_share(invitation.created_by, &folder) {
                return Err(Failure::conflict("whoever has sent the invitation may share this folder no more"));
            }
        }
        self.invitation_decide(invitation, &folder, answer).await
    }

    /// Taken back by those who may share the folder.
    pub async fn folder_invitation_withdraw(
        &self,
        asker: &Asker,
        text: &str,
        id: &str,
    ) -> Result<InvitationView, Failure> {
        let record = self.folder_find(asker, text).await?.record;
        let not_found = || Failure::not_found(format!("invitation {id}"));
        let invitation = self.store.invitation_get(id.parse().map_err(|_| not_found())?).await?;
        let invitation = invitation.filter(|invitation| invitation.folder == record.id).ok_or_else(not_found)?;
        self.invitation_decide(invitation, &record, InvitationState::Withdrawn).await
    }

    async fn invitation_decide(
        &self,
        invitation: InvitationRecord,
        folder: &FolderRecord,
        decided: InvitationState,
    ) -> Result<InvitationView, Failure> {
        let now = now_ms();
        match state_of(&invitation, now) {
            "pending" => {}
            state => return Err(Failure::conflict(format!("the invitation is {state}"))),
        }
        match decided {
            InvitationState::Accepted => {
                let accepted = self.store.invitation_accept(folder, &invitation, bounds::FOLDER_SHARES_MAX, now);
                accepted.await.map_err(shared)?;
            }
            _ => self.store.invitation_end(&invitation, decided, now).await?,
        }
        let decided = InvitationRecord { state: decided, decided_ms: Some(now), ..invitation };
        Ok(self.invitation_view(&decided, folder.name.clone()))
    }

    /// Whether a user may share a folder as it is now.
    fn may_share(&self, user: UserId, folder: &FolderRecord) -> bool {
        let people = self.people.now();
        let (sender, belongs) = (people.actor(user, SignedInBy::Socket), people.folder_owner_belongs(folder.owner));
        let decided = sender.zip(belongs).map(|(sender, belongs)| sender.decide(Rule::FolderShare, belongs));
        decided == Some(Decision::Allow)
    }

    fn invitation_view(&self, invitation: &InvitationRecord, folder_name: String) -> InvitationView {
        let people = self.people.now();
        let name = |id: UserId| people.users.get(&id).map(|user| user.name.clone()).unwrap_or_default();
        InvitationView {
            id: invitation.id,
            folder: invitation.folder,
            folder_name,
            user: invitation.invitee,
            user_name: name(invitation.invitee),
            created_by: invitation.created_by,
            created_by_name: name(invitation.created_by),
            permission: invitation.permission,
            state: state_of(invitation, now_ms()).to_owned(),
            created_at: Timestamp(invitation.created_ms),
            expires_at: Timestamp(invitation.expires_ms),
            decided_at: invitation.decided_ms.map(Timestamp),
        }
    }
}

fn state_of(invitation: &InvitationRecord, now_ms: u64) -> &'static str {
    match invitation.state {
        InvitationState::Pending if now_ms >= invitation.expires_ms => "expired",
        state => state.name(),
    }
}
