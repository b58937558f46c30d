//! The audit log: who changed what. There is no way to change an entry, here or in the database; [`Store::audit_prune`] is the only
//! way to forget some, and writes down that it did.

use madang_ids::{AuditId, OrganizationId, UserId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait, sea_query::OnConflict,
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
};

/// Name under which the log's own pruning stands in it.
const PRUNE_OPERATION: &str = "audit_prune";

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub id: AuditId,
    pub at_ms: u64,
    /// Who; none where nobody had signed in.
    pub actor: Option<UserId>,
    /// The actor's name at that time.
    pub name: String,
    /// The actor's organization.
    pub organization: Option<OrganizationId>,
    /// How the actor had signed in.
    pub via: String,
    /// Where the request came from.
    pub address: String,
    /// Id of the operation in the API's document.
    pub operation: String,
    /// Path of the request, without its query.
    pub path: String,
    /// What was changed, or made.
    pub subject: Option<String>,
    /// What was answered.
    pub status: u16,
    /// Code of the problem, if it was one.
    pub code: Option<String>,
    pub request: String,
}

/// Which entries, newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only those before this one.
    pub before: Option<AuditId>,
    pub actor: Option<UserId>,
    pub organization: Option<OrganizationId>,
    pub operation: Option<String>,
    pub subject: Option<String>,
    pub address: Option<String>,
    pub request: Option<String>,
    pub since_ms: Option<u64>,
    pub until_ms: Option<u64>,
    pub outcome: Option<AuditOutcome>,
    pub limit: u64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// As asked.
    Done,
    /// The client's to mend: signed in as nobody, not allowed, not valid.
    Refused,
    /// Ours.
    Failed,
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "audit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub at_ms: i64,
        pub actor: Option<String>,
        pub name: String,
        pub organization: Option<String>,
        pub via: String,
        pub address: String,
        pub operation: String,
        pub path: String,
        pub subject: Option<String>,
        pub status: i32,
        pub code: Option<String>,
        pub request: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod mark {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_prune")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub before_ms: i64,
        pub at_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// A page of the log.
    pub async fn audit_list(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        use row::Column as C;
        let mut select = row::Entity::find().order_by_desc(C::Id).limit(query.limit);
        let equal = [
            (C::Actor, query.actor.map(|id| id.to_string())),
            (C::Organization, query.organization.map(|id| id.to_string())),
            (C::Operation, query.operation.clone()),
            (C::Subject, query.subject.clone()),
            (C::Address, query.address.clone()),
            (C::Request, query.request.clone()),
        ];
        for (column, value) in equal {
            if let Some(value) = value {
                select = select.filter(column.eq(value));
            }
        }
        if let Some(before) = query.before {
            select = select.filter(C::Id.lt(before.to_string()));
        }
        if let Some(since) = query.since_ms {
            select = select.filter(C::AtMs.gte(signed(since)));
        }
        if let Some(until) = query.until_ms {
            select = select.filter(C::AtMs.lt(signed(until)));
        }
        select = match query.outcome {
            Some(AuditOutcome::Done) => select.filter(C::Status.lt(400)),
            Some(AuditOutcome::Refused) => select.filter(C::Status.gte(400)).filter(C::Status.lt(500)),
            Some(AuditOutcome::Failed) => select.filter(C::Status.gte(500)),
            None => select,
        };
        let rows = select.all(&self.reader).await.map_err(doing("reading the audit log"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// Forgets entries from before a moment, if there are any, and says in the log how many.
    pub async fn audit_prune(&self, before_ms: u64, now_ms: u64) -> Result<u64, StoreError> {
        const DOING: &str = "forgetting old entries of the audit log";
        use row::Column as C;
        let old = row::Entity::find().filter(C::AtMs.lt(signed(before_ms))).limit(1);
        if old.one(&self.reader).await.map_err(doing(DOING))?.is_none() {
            return Ok(0);
        }
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        let forgotten = forget(&transaction, before_ms, now_ms).await.map_err(doing(DOING))?;
        transaction.commit().await.map_err(doing(DOING))?;
        Ok(forgotten)
    }
}

async fn forget(transaction: &impl ConnectionTrait, before_ms: u64, now_ms: u64) -> Result<u64, DbErr> {
    let newest = mark::Entity::find().order_by_desc(mark::Column::BeforeMs).one(transaction).await?;
    if newest.is_none_or(|newest| newest.before_ms < signed(before_ms)) {
        let mark = mark::ActiveModel { before_ms: Set(signed(before_ms)), at_ms: Set(signed(now_ms)) };
        // Another server may have made the same just now.
        let same = OnConflict::column(mark::Column::BeforeMs).do_nothing().to_owned();
        mark::Entity::insert(mark).on_conflict(same).exec_without_returning(transaction).await?;
    }
    let deleted = row::Entity::delete_many().filter(row::Column::AtMs.lt(signed(before_ms))).exec(transaction).await?;
    if deleted.rows_affected == 0 {
        return Ok(0);
    }
    let note = AuditRecord {
        id: AuditId::new(),
        at_ms: now_ms,
        actor: None,
        name: "madang".into(),
        organization: None,
        via: "server".into(),
        address: "local".into(),
        operation: PRUNE_OPERATION.into(),
        path: String::new(),
        subject: Some(format!("{} entries before {before_ms} ms", deleted.rows_affected)),
        status: 200,
        code: None,
        request: String::new(),
    };
    row::Entity::insert(to_row(note)).exec_without_returning(transaction).await?;
    Ok(deleted.rows_affected)
}

pub(crate) fn to_row(record: AuditRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        at_ms: Set(signed(record.at_ms)),
        actor: Set(record.actor.map(|id| id.to_string())),
        name: Set(record.name),
        organization: Set(record.organization.map(|id| id.to_string())),
        via: Set(record.via),
        address: Set(record.address),
        operation: Set(record.operation),
        path: Set(record.path),
        subject: Set(record.subject),
        status: Set(record.status.into()),
        code: Set(record.code),
        request: Set(record.request),
    }
}

fn from_row(row: row::Model) -> Result<AuditRecord, StoreError> {
    const DOING: &str = "reading the audit log";
    Ok(AuditRecord {
        id: row.id.parse().map_err(corrupt(DOING))?,
        at_ms: unsigned(row.at_ms),
        actor: row.actor.map(|id| id.parse()).transpose().map_err(corrupt(DOING))?,
        name: row.name,
        organization: row.organization.map(|id| id.parse()).transpose().map_err(corrupt(DOING))?,
        via: row.via,
        address: row.address,
        operation: row.operation,
        path: row.path,
        subject: row.subject,
        status: u16::try_from(row.status).map_err(corrupt(DOING))?,
        code: row.code,
        request: row.request,
    })
}
