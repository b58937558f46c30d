//! Folders that a session mounts: which, where, and whether its owner may.

use std::collections::BTreeMap;

use madang_ids::NodeId;
use madang_model::{
    Actor, FolderMode, FolderMount, FolderOwner, FolderPermission, MountAccess, Owner, SessionMount, SessionSpec,
    folder::overlap,
};
use madang_public_api::{MountCreate, MountView, ProblemKind, bounds};
use madang_store::FolderRecord;
use tokio::sync::OwnedRwLockReadGuard;

use super::{App, Failure, validate};

/// Says that a session's folders stay where they are until it is among the live ones.
pub(super) type Mounting = Option<OwnedRwLockReadGuard<()>>;

impl App {
    /// Settles what a session mounts: what is asked for, then those of its owner that mount themselves where nothing speaks against it.
    pub(super) async fn session_mounts(
        &self,
        actor: &Actor,
        owner: Owner,
        asked: &[MountCreate],
        spec: &mut SessionSpec,
    ) -> Result<Mounting, Failure> {
        let people = self.people.now();
        let mut by_itself = Vec::new();
        for owner in [FolderOwner::User(owner.user), FolderOwner::Project(owner.project)] {
            by_itself.extend(people.folders_by_itself.get(&owner).into_iter().flatten().cloned());
        }
        if asked.is_empty() && by_itself.is_empty() {
            return Ok(None);
        }
        validate::at_most("mounts", asked.len(), bounds::MOUNTS_MAX, "MOUNTS_MAX")?;
        let mounting = std::sync::Arc::clone(&self.folders.mounting).read_owned().await;
        let mut settled = Settled::default();
        for (index, mount) in asked.iter().enumerate() {
            let field = format!("mounts[{index}]");
            let (record, may) = self.mount_folder(actor, &field, &mount.folder).await?;
            settled.add(&field, mount, &record, may)?;
        }
        for record in by_itself {
            // It may have gone, or be no longer theirs, since people were read.
            let Some(record) = self.store.folder_get(record.id).await? else { continue };
            let found = self.folder_found(actor, record).await?;
            if let (Ok(found), Some(may)) = (found.clone().ready(), found.may) {
                settled.add_by_itself(&found.record, may, |place| !self.fleet.at_place(place).is_empty());
            }
        }
        if let Some((place, name)) = settled.place {
            self.mount_place(place, &name, spec)?;
        }
        spec.mounts = settled.mounts;
        Ok(Some(mounting))
    }

    /// A folder in which somebody may do something, now.
    async fn mount_folder(
        &self,
        actor: &Actor,
        field: &str,
        text: &str,
    ) -> Result<(FolderRecord, FolderPermission), Failure> {
        let not_found =
            || Failure { field: Some(format!("{field}.folder")), ..Failure::not_found(format!("folder {text}")) };
        let record = self.folder_named(actor, text).await?.ok_or_else(not_found)?;
        let found = self.folder_found(actor, record).await?;
        let may = found.may.ok_or_else(not_found)?;
        Ok((found.ready()?.record, may))
    }

    /// Sends a session where its folders are, if that is in its resource group.
    fn mount_place(&self, place: NodeId, name: &str, spec: &mut SessionSpec) -> Result<(), Failure> {
        let at = self.fleet.at_place(place);
        let Some(first) = at.first() else {
            let detail = format!("no node that has the place {place} of the folders is there");
            return Err(Failure::new(ProblemKind::Unavailable, detail));
        };
        let group = &spec.queueing.resource_group;
        if at.iter().all(|member| member.group != *group) {
            let detail = format!(
                "the folder `{name}` is on a node of the resource group `{}`, the session is for `{group}`: \
                say `resource_group`, or leave the folder out",
                first.group
            );
            return Err(Failure::invalid("mounts", detail));
        }
        match first.id == place {
            true => spec.queueing.node = Some(place),
            false => spec.queueing.place = Some(place),
        }
        Ok(())
    }
}

/// What is mounted so far.
#[derive(Debug, Default)]
struct Settled {
    mounts: Vec<SessionMount>,
    /// Where the first of them is, and what it is called.
    place: Option<(NodeId, String)>,
}

impl Settled {
    fn add(
        &mut self,
        field: &str,
        asked: &MountCreate,
        record: &FolderRecord,
        may: FolderPermission,
    ) -> Result<(), Failure> {
        let at = asked.at.clone().unwrap_or_else(|| record.name.clone());
        validate::folder_path(&format!("{field}.at"), &at)?;
        let access = access(asked.access, record, may);
        if access == MountAccess::ReadWrite && may.mounts() == MountAccess::ReadOnly {
            let detail = format!("you may only read the folder `{}`: mount it `read-only`", record.name);
            return Err(Failure { field: Some(format!("{field}.access")), ..Failure::forbidden(detail) });
        }
        if let Some(other) = self.mounts.iter().find(|other| overlap(&other.mount.at, &at)) {
            let detail = format!("`{at}` and `{}` are in each other's way", other.mount.at);
            return Err(Failure::invalid(format!("{field}.at"), detail));
        }
        if let Some((place, name)) = self.place.as_ref().filter(|(place, _)| *place != record.node) {
            let detail = format!(
                "the folder `{name}` is on {place}, `{}` on {}: one session cannot have both",
                record.name, record.node
            );
            return Err(Failure::invalid(format!("{field}.folder"), detail));
        }
        self.put(record, at, access);
        Ok(())
    }

    /// What is in the way of something, on another node or out of reach is left out.
    fn add_by_itself(&mut self, record: &FolderRecord, may: FolderPermission, reachable: impl Fn(NodeId) -> bool) {
        let at = &record.name;
        let known = |other: &SessionMount| other.mount.folder == record.id || overlap(&other.mount.at, at);
        let elsewhere = self.place.as_ref().is_some_and(|(place, _)| *place != record.node);
        let full = self.mounts.len() >= bounds::MOUNTS_MAX;
        if !(full || elsewhere || self.mounts.iter().any(known)) && reachable(record.node) {
            self.put(record, at.clone(), access(None, record, may));
        }
    }

    fn put(&mut self, record: &FolderRecord, at: String, access: MountAccess) {
        self.place.get_or_insert_with(|| (record.node, record.name.clone()));
        let mount = FolderMount { folder: record.id, owner: record.owner, at, access };
        self.mounts.push(SessionMount { name: record.name.clone(), mount });
    }
}

fn access(asked: Option<MountAccess>, record: &FolderRecord, may: FolderPermission) -> MountAccess {
    match asked {
        Some(asked) => asked,
        None if record.mode == FolderMode::Model => MountAccess::ReadOnly,
        None => may.mounts(),
    }
}

/// Folders by owner.
pub(super) type ByItself = BTreeMap<FolderOwner, Vec<FolderRecord>>;

pub(super) fn mounts_view(spec: &SessionSpec) -> Vec<MountView> {
    let view = |known: &SessionMount| MountView {
        folder: known.mount.folder,
        name: known.name.clone(),
        at: known.mount.at.clone(),
        access: known.mount.access,
    };
    spec.mounts.iter().map(view).collect()
}

/// The label that every node has besides those it was given: its own id.
pub(super) fn node_label(node: NodeId) -> (String, String) {
    ("madang.node".to_owned(), node.to_string())
}

/// The label of every node that has a place for folders: what the place is called.
pub(super) fn place_label(place: NodeId) -> (String, String) {
    ("madang.place".to_owned(), place.to_string())
}
