//! Public keys that users sign in with over SSH.

use madang_ids::{SshKeyId, UserId};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Store, StoreError, TurnOver,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A public key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKeyRecord {
    pub id: SshKeyId,
    pub owner: UserId,
    /// For people.
    pub name: String,
    /// `SHA256:…`; no two users have the same.
    pub fingerprint: String,
    /// One line, without a comment.
    pub public_key: String,
    /// Who said that it is the owner's.
    pub made_by: UserId,
    pub created_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ssh_key")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub owner: String,
        pub name: String,
        pub fingerprint: String,
        pub public_key: String,
        pub made_by: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// [`StoreError::Exists`] where somebody has the key already.
    pub async fn ssh_key_insert(&self, record: &SshKeyRecord) -> Result<(), StoreError> {
        let taken = inserting("keeping an SSH key", format!("the key {}", record.fingerprint));
        self.directory_change(async |connection| {
            row::Entity::insert(to_row(record)).exec_without_returning(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    pub async fn ssh_key_remove(&self, id: SshKeyId) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            let removed = row::Entity::delete_by_id(id.to_string()).exec(connection).await;
            removed.map_err(doing("removing an SSH key"))?;
            Ok(())
        })
        .await
    }

    /// All, oldest first.
    pub async fn ssh_key_list(&self) -> Result<Vec<SshKeyRecord>, StoreError> {
        use row::Column as C;
        let rows = row::Entity::find().order_by_asc(C::CreatedMs).order_by_asc(C::Id).all(&self.reader).await;
        rows.map_err(doing("listing SSH keys"))?.into_iter().map(from_row).collect()
    }
}

/// Forgets those of a user's keys that somebody else gave, or all.
pub(crate) async fn forget(connection: &impl ConnectionTrait, owner: UserId, which: TurnOver) -> Result<(), DbErr> {
    use row::Column as C;
    let which = match which {
        TurnOver::KnownToOthers => Condition::all().add(C::MadeBy.ne(owner.to_string())),
        TurnOver::All => Condition::all(),
    };
    row::Entity::delete_many().filter(C::Owner.eq(owner.to_string())).filter(which).exec(connection).await?;
    Ok(())
}

fn to_row(record: &SshKeyRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        owner: Set(record.owner.to_string()),
        name: Set(record.name.clone()),
        fingerprint: Set(record.fingerprint.clone()),
        public_key: Set(record.public_key.clone()),
        made_by: Set(record.made_by.to_string()),
        created_ms: Set(signed(record.created_ms)),
    }
}

fn from_row(row: row::Model) -> Result<SshKeyRecord, StoreError> {
    Ok(SshKeyRecord {
        id: row.id.parse().map_err(corrupt("reading an SSH key's id"))?,
        owner: row.owner.parse().map_err(corrupt("reading an SSH key's owner"))?,
        name: row.name,
        fingerprint: row.fingerprint,
        public_key: row.public_key,
        made_by: row.made_by.parse().map_err(corrupt("reading who gave an SSH key"))?,
        created_ms: unsigned(row.created_ms),
    })
}
