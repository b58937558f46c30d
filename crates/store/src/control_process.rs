//! Control processes: who is there, where, and since when.

use madang_ids::ControlId;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, unsigned},
};

/// A control process as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlProcess {
    pub id: ControlId,
    /// Where the other processes reach it; None if they cannot.
    pub address: Option<String>,
    /// Where nodes reach it; None if they cannot.
    pub nodes_address: Option<String>,
    pub version: String,
    /// By the database's clock, as everything here.
    pub started_ms: u64,
    pub seen_ms: u64,
}

/// Who says that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlHello {
    pub id: ControlId,
    pub address: Option<String>,
    pub nodes_address: Option<String>,
    pub version: String,
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "control_process")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub address: Option<String>,
        pub nodes_address: Option<String>,
        pub version: String,
        pub started_ms: i64,
        pub seen_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl TryFrom<row::Model> for ControlProcess {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.id.parse().map_err(corrupt("reading a control process's id"))?,
            address: row.address,
            nodes_address: row.nodes_address,
            version: row.version,
            started_ms: unsigned(row.started_ms),
            seen_ms: unsigned(row.seen_ms),
        })
    }
}

impl Store {
    /// Says that this process is there, the first time and ever again.
    pub async fn control_process_seen(&self, hello: &ControlHello) -> Result<(), StoreError> {
        let now = self.now_sql();
        let upsert = format!(
            "INSERT INTO control_process (id, address, nodes_address, version, started_ms, seen_ms) \
             VALUES ($1, $2, $3, $4, {now}, {now}) ON CONFLICT (id) DO UPDATE SET address = excluded.address, \
             nodes_address = excluded.nodes_address, seen_ms = excluded.seen_ms"
        );
        let hello = hello.clone();
        let values =
            [hello.id.to_string().into(), hello.address.into(), hello.nodes_address.into(), hello.version.into()];
        let upsert = self.statement(upsert, values);
        self.writer.execute_raw(upsert).await.map_err(doing("saying that this process is there"))?;
        Ok(())
    }

    /// Forgets processes that were not seen for a time, and one that takes its leave; returns how many.
    pub async fn control_process_forget(&self, unseen_ms: u64, leaving: Option<ControlId>) -> Result<u64, StoreError> {
        let forget = format!("DELETE FROM control_process WHERE seen_ms < {} - $1 OR id = $2", self.now_sql());
        let values = [crate::error::signed(unseen_ms).into(), leaving.map(|id| id.to_string()).into()];
        let forget = self.statement(forget, values);
        let done = self.writer.execute_raw(forget).await.map_err(doing("forgetting control processes"))?;
        Ok(done.rows_affected())
    }

    /// The processes there are, oldest first.
    pub async fn control_process_list(&self) -> Result<Vec<ControlProcess>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::Id)
            .all(&self.reader)
            .await
            .map_err(doing("listing control processes"))?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}
