//! Sessions: what was asked for and where it stands.

use std::collections::BTreeSet;

use madang_ids::{SandboxId, SessionId, UserId};
use madang_model::{DevicesHeld, Owner, SessionLife, SessionSpec, Usage};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect,
};
use serde::{Deserialize, Serialize};

use crate::{
    Fence, Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
    owner::owner_read,
    retention::{Horizon, is_batch},
    session_sandbox::SubSandbox,
};

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    pub id: SessionId,
    pub name: String,
    /// Grows with every change; a writer must know the present one.
    pub generation: u64,
    pub owner: Owner,
    /// The access key that asked for it, if one did.
    pub access_key: Option<String>,
    /// `main1` of a cluster.
    pub sandbox: SandboxId,
    /// The others of a cluster, in their order.
    pub subs: Vec<SubSandbox>,
    pub spec: SessionSpec,
    pub life: SessionLife,
    pub created_ms: u64,
    pub started_ms: Option<u64>,
    pub ended_ms: Option<u64>,
    pub usage: Option<Usage>,
    /// The devices that its sandbox was given.
    pub held: Option<DevicesHeld>,
}

impl SessionRecord {
    /// The resource group that it is scheduled in.
    pub fn group(&self) -> &str {
        &self.spec.queueing.resource_group
    }
}

/// What needs no column of its own.
#[derive(Serialize, Deserialize)]
struct Body {
    sandbox: SandboxId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subs: Vec<SubSandbox>,
    spec: SessionSpec,
    life: SessionLife,
    started_ms: Option<u64>,
    usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<DevicesHeld>,
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub live_name: Option<String>,
        pub state: String,
        pub generation: i64,
        #[sea_orm(column_type = "Text")]
        pub body: String,
        pub created_ms: i64,
        pub ended_ms: Option<i64>,
        pub owner: String,
        pub project: String,
        pub organization: String,
        pub cpu_millis: i64,
        pub memory_bytes: i64,
        pub disk_bytes: i64,
        pub access_key: Option<String>,
        pub accelerator_millis: i64,
        pub resource_group: String,
        pub started_ms: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Refuses a name that a live session of the same owner has.
    pub async fn session_insert(&self, record: &SessionRecord) -> Result<(), StoreError> {
        let model = to_row(record)?;
        row::Entity::insert(model)
            .exec_without_returning(&self.writer)
            .await
            .map_err(inserting("keeping a session", format!("a live session named `{}`", record.name)))?;
        Ok(())
    }

    /// Replaces the record if it still has `record.generation`; returns the new generation.
    pub async fn session_update(&self, record: &SessionRecord) -> Result<u64, StoreError> {
        self.session_update_fenced(record, None).await
    }

    /// The same for a leader, as long as it leads.
    pub async fn session_update_fenced(
        &self,
        record: &SessionRecord,
        fence: Option<&Fence>,
    ) -> Result<u64, StoreError> {
        let next = SessionRecord { generation: record.generation + 1, ..record.clone() };
        let model = to_row(&next)?;
        let done = row::Entity::update_many()
            .set(model)
            .filter(row::Column::Id.eq(record.id.to_string()))
            .filter(row::Column::Generation.eq(signed(record.generation)))
            .filter(fence.map_or_else(Condition::all, |fence| self.fence_holds(fence)))
            .exec(&self.writer)
            .await
            .map_err(doing("changing a session"))?;
        let subject = || format!("session {}", record.id);
        match (done.rows_affected, fence) {
            (1, _) => Ok(next.generation),
            (_, Some(fence)) if !self.fence_stands(fence).await? => Err(StoreError::Fenced { subject: subject() }),
            _ => Err(StoreError::Stale { subject: subject() }),
        }
    }

    pub async fn session_get(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let row =
            row::Entity::find_by_id(id.to_string()).one(&self.reader).await.map_err(doing("reading a session"))?;
        row.map(from_row).transpose()
    }

    /// Whose a session is.
    pub async fn session_owner(&self, id: SessionId) -> Result<Option<Owner>, StoreError> {
        let columns: Option<(String, String, String)> = row::Entity::find_by_id(id.to_string())
            .select_only()
            .columns([row::Column::Owner, row::Column::Project, row::Column::Organization])
            .into_tuple()
            .one(&self.reader)
            .await
            .map_err(doing("reading whose a session is"))?;
        columns.map(|(user, project, organization)| owner_read(&user, &project, &organization)).transpose()
    }

    /// The live session of this name of a user.
    pub async fn session_live_named(&self, user: UserId, name: &str) -> Result<Option<SessionRecord>, StoreError> {
        let named = row::Entity::find().filter(row::Column::LiveName.eq(live_name(user, name)));
        let found = named.one(&self.reader).await.map_err(doing("looking for a session by its name"))?;
        found.map(from_row).transpose()
    }

    /// Every session that has not ended.
    pub async fn session_list_live(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::EndedMs.is_null())
            .all(&self.reader)
            .await
            .map_err(doing("listing live sessions"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// Of every session whose row says that it goes on. Less than [`Store::session_list_live`], for whoever asks often.
    pub async fn session_ids_live(&self) -> Result<BTreeSet<SessionId>, StoreError> {
        let rows: Vec<String> = row::Entity::find()
            .select_only()
            .column(row::Column::Id)
            .filter(goes_on())
            .into_tuple()
            .all(&self.reader)
            .await
            .map_err(doing("listing live sessions"))?;
        rows.iter().map(|id| id.parse().map_err(corrupt("reading a session's id"))).collect()
    }

    /// Whether there is a row of it that says that it goes on.
    pub async fn session_is_live(&self, id: SessionId) -> Result<bool, StoreError> {
        let found = row::Entity::find_by_id(id.to_string()).filter(goes_on()).count(&self.reader);
        Ok(found.await.map_err(doing("reading whether a session is live"))? > 0)
    }

    /// Forgets sessions that ended before a time; returns how many.
    pub async fn session_prune(&self, horizon: impl Into<Horizon>) -> Result<u64, StoreError> {
        let horizon = horizon.into();
        let before = |ms| row::Column::EndedMs.lt(signed(ms));
        let which = if horizon.differs() {
            let batch = is_batch(self.reader.get_database_backend());
            let others = before(horizon.before_ms).and(batch.clone().not());
            before(horizon.batch_before_ms).and(batch).or(others)
        } else {
            before(horizon.before_ms)
        };
        let done = row::Entity::delete_many()
            .filter(which)
            .exec(&self.writer)
            .await
            .map_err(doing("forgetting old sessions"))?;
        Ok(done.rows_affected)
    }
}

/// Whatever says that it is over is enough.
fn goes_on() -> Condition {
    Condition::all().add(row::Column::EndedMs.is_null()).add(row::Column::State.is_not_in(["ended", "refused"]))
}

pub(crate) fn to_row(record: &SessionRecord) -> Result<row::ActiveModel, StoreError> {
    let whole = record.spec.whole();
    let body = Body {
        sandbox: record.sandbox,
        subs: record.subs.clone(),
        spec: record.spec.clone(),
        life: record.life.clone(),
        started_ms: record.started_ms,
        usage: record.usage,
        held: record.held.clone(),
    };
    Ok(row::ActiveModel {
        id: Set(record.id.to_string()),
        name: Set(record.name.clone()),
        live_name: Set(record.life.is_live().then(|| live_name(record.owner.user, &record.name))),
        state: Set(record.life.state.name().to_owned()),
        generation: Set(signed(record.generation)),
        body: Set(serde_json::to_string(&body).map_err(corrupt("writing a session"))?),
        created_ms: Set(signed(record.created_ms)),
        ended_ms: Set(record.ended_ms.map(signed)),
        owner: Set(record.owner.user.to_string()),
        project: Set(record.owner.project.to_string()),
        organization: Set(record.owner.organization.to_string()),
        cpu_millis: Set(signed(whole.cpu_millis)),
        memory_bytes: Set(signed(whole.memory_bytes)),
        disk_bytes: Set(signed(whole.disk_bytes)),
        access_key: Set(record.access_key.clone()),
        accelerator_millis: Set(signed(record.spec.accelerator_millis())),
        resource_group: Set(record.group().to_owned()),
        started_ms: Set(record.started_ms.map(signed)),
    })
}

pub(crate) fn from_row(row: row::Model) -> Result<SessionRecord, StoreError> {
    let body: Body = serde_json::from_str(&row.body).map_err(corrupt("reading a session"))?;
    Ok(SessionRecord {
        id: row.id.parse().map_err(corrupt("reading a session's id"))?,
        name: row.name,
        generation: unsigned(row.generation),
        owner: owner_read(&row.owner, &row.project, &row.organization)?,
        access_key: row.access_key,
        sandbox: body.sandbox,
        subs: body.subs,
        spec: body.spec,
        life: body.life,
        created_ms: unsigned(row.created_ms),
        started_ms: body.started_ms,
        ended_ms: row.ended_ms.map(unsigned),
        usage: body.usage,
        held: body.held,
    })
}

/// What is unique among live sessions.
fn live_name(user: UserId, name: &str) -> String {
    format!("{user}/{name}")
}
