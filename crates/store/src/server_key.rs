//! Which server's key sealed what is in this database.

use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::{Store, StoreError, error::doing};

/// What is kept of the server's key.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKeyRecord {
    pub fingerprint: String,
    /// The key itself, where servers that share the database were given no file for it.
    pub key: Option<String>,
}

impl std::fmt::Debug for ServerKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKeyRecord").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "server_key")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub fingerprint: String,
        pub key: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The table has one row.
const ID: i64 = 1;

impl Store {
    /// The first server's word stands: what is returned is what all use.
    pub async fn server_key_agree(&self, offered: &ServerKeyRecord) -> Result<ServerKeyRecord, StoreError> {
        const DOING: &str = "agreeing on the server's key";
        let row = row::ActiveModel {
            id: Set(ID),
            fingerprint: Set(offered.fingerprint.clone()),
            key: Set(offered.key.clone()),
        };
        let inserted = row::Entity::insert(row).on_conflict_do_nothing_on([row::Column::Id]);
        inserted.exec_without_returning(&self.writer).await.map_err(doing(DOING))?;
        let kept = row::Entity::find_by_id(ID).one(&self.writer).await.map_err(doing(DOING))?;
        let kept = kept.map(|row| ServerKeyRecord { fingerprint: row.fingerprint, key: row.key });
        Ok(kept.unwrap_or_else(|| offered.clone()))
    }
}
