//! Nodes that have joined over the network: whose key and whose certificate is whose. A node that is removed is forgotten with all of it.

use std::collections::{BTreeMap, BTreeSet};

use madang_ids::NodeId;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, TransactionTrait,
    sea_query::{Expr, OnConflict},
};

use crate::{
    NodeRecord, Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
    node, node_token,
};

/// A machine that wants to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeJoin {
    /// SHA-256 of the token's secret, hexadecimal.
    pub secret_hash: String,
    /// SHA-256 of its public key: who asks again with it is the same machine.
    pub key: String,
    /// What it wants to be called.
    pub name: String,
    /// What is wanted of it at first, by name.
    pub state: String,
}

/// When a certificate ends, and when it is. Milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateTimes {
    pub now_ms: u64,
    pub ends_ms: u64,
}

mod member {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "node_member")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub node: String,
        pub key: String,
        pub joined_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod certificate {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "node_certificate")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub fingerprint: String,
        pub node: String,
        pub ends_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Fingerprints of one question.
const FINGERPRINTS_MAX: usize = 500;
const JOINING: &str = "letting a node join";

impl Store {
    /// Uses the token up by one and makes the node; none if the token lets nobody in. The same key gets the same node again, at no
    /// cost. [`StoreError::Exists`]: another node has this name.
    pub async fn node_join(&self, join: &NodeJoin, now_ms: u64) -> Result<Option<NodeRecord>, StoreError> {
        let transaction = self.writer.begin().await.map_err(doing(JOINING))?;
        let token = node_token::row::Entity::find().filter(node_token::row::Column::Hash.eq(&join.secret_hash));
        let token = token.one(&transaction).await.map_err(doing(JOINING))?;
        let Some(token) = token.filter(|token| unsigned(token.expires_ms) > now_ms) else { return Ok(None) };
        // First: of several at once, one after another goes on from here.
        let used = use_up(&transaction, &token.id).await?;
        if let Some(known) = known(&transaction, &join.key).await? {
            // The use goes back with the transaction.
            return Ok(Some(known));
        }
        if !used {
            return Ok(None);
        }
        let record = NodeRecord {
            id: NodeId::new(),
            name: join.name.clone(),
            resource_group: token.resource_group,
            state: join.state.clone(),
            created_ms: now_ms,
        };
        let exists = || format!("a node called {}", join.name);
        let inserted = node::row::Entity::insert(node::to_row(&record)).exec_without_returning(&transaction).await;
        inserted.map_err(inserting(JOINING, exists()))?;
        let row = member::ActiveModel {
            node: Set(record.id.to_string()),
            key: Set(join.key.clone()),
            joined_ms: Set(signed(now_ms)),
        };
        let inserted = member::Entity::insert(row).exec_without_returning(&transaction).await;
        inserted.map_err(inserting(JOINING, exists()))?;
        transaction.commit().await.map_err(doing(JOINING))?;
        Ok(Some(record))
    }

    /// Nodes that have joined, by name.
    pub async fn node_list_joined(&self) -> Result<Vec<NodeRecord>, StoreError> {
        let rows = member::Entity::find().all(&self.reader).await.map_err(doing("listing who has joined"))?;
        let joined: BTreeSet<String> = rows.into_iter().map(|row| row.node).collect();
        let all = self.node_list().await?;
        Ok(all.into_iter().filter(|node| joined.contains(&node.id.to_string())).collect())
    }

    /// A node, if it has joined and was not removed.
    pub async fn node_get_joined(&self, id: NodeId) -> Result<Option<NodeRecord>, StoreError> {
        let joined = member::Entity::find_by_id(id.to_string()).one(&self.reader).await;
        let joined = joined.map_err(doing("reading who has joined"))?;
        if joined.is_none() {
            return Ok(None);
        }
        self.node_get(id).await
    }

    /// Forgets a node with its key and all its certificates; whether there was one.
    pub async fn node_remove(&self, id: NodeId) -> Result<bool, StoreError> {
        const DOING: &str = "removing a node";
        let id = id.to_string();
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        let certificates = certificate::Entity::delete_many().filter(certificate::Column::Node.eq(&id));
        certificates.exec(&transaction).await.map_err(doing(DOING))?;
        member::Entity::delete_by_id(id.clone()).exec(&transaction).await.map_err(doing(DOING))?;
        let removed = node::row::Entity::delete_by_id(id).exec(&transaction).await.map_err(doing(DOING))?;
        transaction.commit().await.map_err(doing(DOING))?;
        Ok(removed.rows_affected > 0)
    }

    /// Writes down whose certificate this is, and forgets those of the node that have ended. One for a node that was removed
    /// meanwhile is worth nothing: [`Store::node_certificate_find`] asks for both.
    pub async fn node_certificate_put(
        &self,
        node: NodeId,
        fingerprint: &str,
        times: CertificateTimes,
    ) -> Result<(), StoreError> {
        const DOING: &str = "keeping a node's certificate";
        certificate::Entity::delete_many()
            .filter(certificate::Column::Node.eq(node.to_string()))
            .filter(certificate::Column::EndsMs.lt(signed(times.now_ms)))
            .exec(&self.writer)
            .await
            .map_err(doing(DOING))?;
        let row = certificate::ActiveModel {
            fingerprint: Set(fingerprint.to_owned()),
            node: Set(node.to_string()),
            ends_ms: Set(signed(times.ends_ms)),
        };
        let same = OnConflict::column(certificate::Column::Fingerprint).do_nothing().to_owned();
        let inserted = certificate::Entity::insert(row).on_conflict(same).exec_without_returning(&self.writer);
        inserted.await.map_err(doing(DOING))?;
        Ok(())
    }

    /// Whose these certificates are, of those that are still known with their nodes.
    pub async fn node_certificates_find(
        &self,
        fingerprints: &[String],
    ) -> Result<BTreeMap<String, NodeId>, StoreError> {
        const DOING: &str = "looking whose certificates these are";
        let mut known = BTreeMap::new();
        for some in fingerprints.chunks(FINGERPRINTS_MAX) {
            let rows = certificate::Entity::find().filter(certificate::Column::Fingerprint.is_in(some));
            let rows = rows.all(&self.reader).await.map_err(doing(DOING))?;
            let nodes: Vec<String> = rows.iter().map(|row| row.node.clone()).collect();
            let members = member::Entity::find().filter(member::Column::Node.is_in(nodes)).all(&self.reader).await;
            let members: BTreeSet<String> = members.map_err(doing(DOING))?.into_iter().map(|row| row.node).collect();
            for row in rows.into_iter().filter(|row| members.contains(&row.node)) {
                known.insert(row.fingerprint, row.node.parse().map_err(corrupt("reading a node's id"))?);
            }
        }
        Ok(known)
    }

    /// Whose certificate this is, if it and its node are still known.
    pub async fn node_certificate_find(&self, fingerprint: &str) -> Result<Option<NodeId>, StoreError> {
        const DOING: &str = "looking whose certificate this is";
        let row = certificate::Entity::find_by_id(fingerprint.to_owned()).one(&self.reader).await;
        let Some(row) = row.map_err(doing(DOING))? else { return Ok(None) };
        let node = member::Entity::find_by_id(row.node).one(&self.reader).await.map_err(doing(DOING))?;
        node.map(|member| member.node.parse().map_err(corrupt("reading a node's id"))).transpose()
    }
}

async fn known(transaction: &DatabaseTransaction, key: &str) -> Result<Option<NodeRecord>, StoreError> {
    let member = member::Entity::find().filter(member::Column::Key.eq(key)).one(transaction).await;
    let Some(member) = member.map_err(doing(JOINING))? else { return Ok(None) };
    let row = node::row::Entity::find_by_id(member.node).one(transaction).await.map_err(doing(JOINING))?;
    row.map(node::from_row).transpose()
}

/// Of several at once the database lets only so many through.
async fn use_up(transaction: &DatabaseTransaction, token: &str) -> Result<bool, StoreError> {
    use node_token::row::{Column, Entity};
    let used = Entity::update_many()
        .col_expr(Column::UsesLeft, Expr::col(Column::UsesLeft).sub(1))
        .filter(Column::Id.eq(token))
        .filter(Column::UsesLeft.gt(0))
        .exec(transaction)
        .await
        .map_err(doing(JOINING))?;
    Ok(used.rows_affected > 0)
}
