//! Whoever asks, and for what: the question to the authorization table, in one place.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use madang_ids::UserId;

use madang_model::{
    Actor, Decision, FolderPermission, Owner,
    access::{Belonging, Row, Rule},
};
use madang_public_api::SessionView;

use super::Failure;

/// An actor that asks for one operation. `http` makes one of each request.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    actor: Actor,
    row: &'static Row,
    /// What it is about, where it is not the asker's own.
    others: Arc<OnceLock<Others>>,
}

/// Another's work.
#[derive(Debug, Clone, Copy)]
struct Others {
    thing: Belonging,
    /// The asker was let into it, not only shown it.
    inside: bool,
}

impl Deref for Asker {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.actor
    }
}

impl Asker {
    /// Refuses what somebody like the actor may never do, before anything is looked for.
    pub fn new(actor: Actor, row: &'static Row) -> Result<Self, Failure> {
        if !actor.scopes.has(row.scope) {
            let (needed, has) = (row.scope.name(), actor.scopes);
            return Err(Failure::forbidden(format!(
                "this needs the scope `{needed}`; what you signed in with has `{has}`"
            )));
        }
        if !row.rule.ever(actor.role) {
            return Err(Failure::forbidden(format!("a {} may not do this", actor.role.name())));
        }
        Ok(Self { actor, row, others: Arc::default() })
    }

    /// Asks for the thing that was found; `not_found` is the answer for one that is not there.
    pub fn check(&self, thing: impl Into<Belonging>, not_found: impl FnOnce() -> Failure) -> Result<(), Failure> {
        let thing = thing.into();
        match self.actor.decide(self.row.rule, thing) {
            Decision::Allow => {
                self.others_note(thing, Rule::Inside);
                Ok(())
            }
            Decision::Forbid => Err(Failure::forbidden("you may see this, but not do that with it")),
            Decision::Hide => Err(not_found()),
        }
    }

    /// The same of a folder in which the asker may do something, by a share or otherwise: then the asker stands to it as a member of its
    /// project does, or closer.
    pub fn check_shared(
        &self,
        thing: Belonging,
        may: Option<FolderPermission>,
        not_found: impl FnOnce() -> Failure,
    ) -> Result<(), Failure> {
        let decision = match may {
            Some(_) => self.actor.decide_shared(self.row.rule, thing),
            None => self.actor.decide(self.row.rule, thing),
        };
        match decision {
            Decision::Allow => {
                if may.is_none() {
                    self.others_note(thing, Rule::FolderUse);
                }
                Ok(())
            }
            Decision::Forbid => Err(Failure::forbidden("you may see this folder, but not do that with it")),
            Decision::Hide => Err(not_found()),
        }
    }

    /// `inside` is the rule that lets into what is another's.
    fn others_note(&self, thing: Belonging, inside: Rule) {
        if thing.user.is_some_and(|user| user != self.actor.user) {
            // One request is about one thing.
            let _ = self.others.set(Others { thing, inside: self.row.rule == inside });
        }
    }

    /// Whose work the asker was let into, where it is somebody else's: for the audit log.
    pub fn inside(&self) -> Option<UserId> {
        self.others.get().filter(|others| others.inside)?.thing.user
    }

    /// Whether the same would be allowed to what the actor is by now.
    pub fn may_still(&self, now: &Actor) -> bool {
        let allowed = |others: &Others| now.decide(self.row.rule, others.thing) == Decision::Allow;
        self.row.rule.ever(now.role) && self.others.get().is_none_or(allowed)
    }

    /// A session as the asker may know it: its environment may hold secrets, which are for those who may act inside it.
    pub fn session_shown(&self, mut view: SessionView) -> SessionView {
        let owner = Owner { user: view.owner, project: view.project, organization: view.organization };
        if !view.env.is_empty() && self.actor.decide(Rule::Inside, owner.into()) != Decision::Allow {
            view.env.clear();
            view.env_hidden = true;
        }
        view
    }
}
