//! Nodes: which there are, in which group, and what is wanted of them.

use std::collections::BTreeSet;

use madang_ids::NodeId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
};

/// A node as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    pub id: NodeId,
    /// Unique.
    pub name: String,
    pub resource_group: String,
    /// What is wanted of it, by name: `schedulable`, `cordoned`, `draining`.
    pub state: String,
    pub created_ms: u64,
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "node")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub resource_group: String,
        pub state: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// The node of this name; `proposed` if there was none. Of several proposals at once all get the same.
    pub async fn node_ensure(&self, proposed: &NodeRecord) -> Result<NodeRecord, StoreError> {
        const DOING: &str = "keeping a node";
        let keep_first = OnConflict::column(row::Column::Name).do_nothing().to_owned();
        row::Entity::insert(to_row(proposed))
            .on_conflict(keep_first)
            .exec_without_returning(&self.writer)
            .await
            .map_err(doing(DOING))?;
        let named = row::Entity::find().filter(row::Column::Name.eq(&proposed.name));
        let known = named.one(&self.writer).await.map_err(doing(DOING))?;
        known.ok_or(StoreError::Closed { doing: DOING }).and_then(from_row)
    }

    /// Changes group and state; one that is not there is left so.
    pub async fn node_update(&self, record: &NodeRecord) -> Result<(), StoreError> {
        let which = row::Entity::update_many().set(to_row(record)).filter(row::Column::Id.eq(record.id.to_string()));
        which.exec(&self.writer).await.map_err(doing("changing a node"))?;
        Ok(())
    }

    /// The resource groups that have nodes.
    pub async fn node_groups(&self) -> Result<BTreeSet<String>, StoreError> {
        let groups = row::Entity::find().select_only().column(row::Column::ResourceGroup).distinct().into_tuple();
        let groups: Vec<String> = groups.all(&self.reader).await.map_err(doing("listing groups that have nodes"))?;
        Ok(groups.into_iter().collect())
    }

    pub async fn node_get(&self, id: NodeId) -> Result<Option<NodeRecord>, StoreError> {
        let found = row::Entity::find_by_id(id.to_string()).one(&self.reader).await;
        found.map_err(doing("reading a node"))?.map(from_row).transpose()
    }

    /// All, by name.
    pub async fn node_list(&self) -> Result<Vec<NodeRecord>, StoreError> {
        let all = row::Entity::find().order_by_asc(row::Column::Name);
        let rows = all.all(&self.reader).await.map_err(doing("listing nodes"))?;
        rows.into_iter().map(from_row).collect()
    }
}

pub(crate) fn to_row(record: &NodeRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        name: Set(record.name.clone()),
        resource_group: Set(record.resource_group.clone()),
        state: Set(record.state.clone()),
        created_ms: Set(signed(record.created_ms)),
    }
}

pub(crate) fn from_row(row: row::Model) -> Result<NodeRecord, StoreError> {
    Ok(NodeRecord {
        id: row.id.parse().map_err(corrupt("reading a node's id"))?,
        name: row.name,
        resource_group: row.resource_group,
        state: row.state,
        created_ms: unsigned(row.created_ms),
    })
}
